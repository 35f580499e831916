"""What is different about a version, beside the champion: params, features, data, code."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from service.check_page.findings import entries, section, texts
from service.models_page.files import Made

MOST = 60  # of one kind
_FACTS = {"trained_from": "learned from", "trained_until": "learned until", "rows": "rows",
          "recalibrates": "recalibrates",
          "updates": "went on learning from"}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """Something that the champion has otherwise; empty = it is not there."""

    what: str
    champion: str
    mine: str


@dataclass(frozen=True)
class Changes:
    """By kind, each with a heading; kinds without a change are left out."""

    kinds: list[tuple[str, list[Change]]]
    more: int


def find_changes(mine: Made, champion: Made) -> Changes:
    """Compare what two versions were made from."""
    pairs = [
        ("Data", _data(mine), _data(champion)),
        ("Features", _features(mine, champion), _features(champion, mine)),
        ("Params", _params(mine), _params(champion)),
        ("Code", _code(mine), _code(champion)),
        ("Libraries", _libraries(mine), _libraries(champion)),
    ]
    found = [(kind, list(_differences(one, other))) for kind, one, other in pairs]
    more = sum(max(0, len(each) - MOST) for _, each in found)
    return Changes([(kind, each[:MOST]) for kind, each in found if each], more)


def _differences(mine: Mapping[str, str], champion: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted({*mine, *champion}):
        before, now = champion.get(name, ""), mine.get(name, "")
        if before != now:
            yield Change(name, before, now)


def _data(made: Made) -> dict[str, str]:
    found = {told: made.manifest.get(name) for name, told in _FACTS.items()}
    found["digest of the data"] = str(made.manifest.get("data") or "")[:12]
    offsets = section(made.schema, "target").get("offsets")
    return {name: _text(value) for name, value in {**found, "offsets": offsets}.items() if value}


def _features(made: Made, other: Made) -> dict[str, str]:
    """What each feature is, and what was seen of it in training."""
    theirs = {each.get("name"): each for each in entries(other.schema, "features")}
    found: dict[str, str] = {}
    for each in entries(made.schema, "features"):
        name = str(each.get("name"))
        found[name] = f"{each.get('kind')}{', may be missing' if each.get('nullable') else ''}"
        if each.get("low") is not None:
            found[f"{name}: range"] = f"{_text(each['low'])} to {_text(each.get('high'))}"
        if known := texts(each, "categories"):
            others = texts(theirs.get(each.get("name"), {}), "categories")
            only = [one for one in known if one not in set(others)]
            more = f"; only here: {', '.join(only)}" if only else ""
            found[f"{name}: categories"] = f"{len(known)}{more}"
    return found


def _params(made: Made) -> dict[str, str]:
    """What params.yaml said to the stages that made the model."""
    found: dict[str, str] = {}
    lock = section(made.manifest, "lock")
    for stage in lock:
        for values in section(section(lock, stage), "params").values():
            found.update(_flat(values, ""))
    return found


def _flat(values: object, before: str) -> Iterator[tuple[str, str]]:
    if not isinstance(values, Mapping):
        yield before, _text(values)
        return
    for name, value in values.items():
        yield from _flat(value, f"{before}.{name}" if before else str(name))


def _code(made: Made) -> dict[str, str]:
    """Digests of the files that the stages depend on, the data aside."""
    lock = section(made.manifest, "lock")
    found = [each for stage in lock for each in entries(section(lock, stage), "deps")]
    return {
        str(each.get("path")): str(each.get("md5"))[:12]
        for each in found
        if str(each.get("path")).endswith((".py", ".txt"))
    }


def _libraries(made: Made) -> dict[str, str]:
    return {str(name): str(each) for name, each in section(made.manifest, "libraries").items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)

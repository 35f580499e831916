"""The list of models: each trained version with the recalibrations of it folded under."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.bundle import OFFSETS, RECALIBRATES
from service.models_page.compare import Compared, compare, headlines
from service.models_page.read import Facts, Version
from service.models_page.stages import Stage, stage_of

SHOWN_FAMILIES = 30
SHOWN_RECALIBRATIONS = 20

Metrics = Mapping[str, Mapping[str, Any]]  # by version


@dataclass(frozen=True)
class Recalibration:
    version: Version
    stage: Stage
    offsets: str


@dataclass(frozen=True)
class Family:
    """A model: as it was trained, and as it was recalibrated since.

    Attributes:
        name: the trained version, which may be registered elsewhere only.
        newest: its row of facts, or of its newest recalibration.
        recalibrations: the newest; `more` are not shown.
    """

    name: str
    newest: Version
    stage: Stage
    metrics: list[Compared]
    recalibrations: list[Recalibration]
    more: int


def base_of(version: Version) -> str:
    """The version that was trained: itself, or the one that it recalibrates."""
    return str(version.made.get(RECALIBRATES, version.version))


def group(facts: Facts) -> dict[str, list[Version]]:
    """Versions by the model that they are, the newest model first, its newest version first."""
    found: dict[str, list[Version]] = {}
    for version in facts.versions:
        found.setdefault(base_of(version), []).append(version)
    known = {version.version: version for version in facts.versions}
    made = {name: known.get(name, members[-1]).registered_at for name, members in found.items()}
    return dict(sorted(found.items(), key=lambda each: made[each[0]], reverse=True))


def champion_base(facts: Facts) -> str | None:
    """The trained version of the champion."""
    name = facts.champion.version if facts.champion else None
    return next((base_of(one) for one in facts.versions if one.version == name), name)


def make_families(facts: Facts, metrics: Metrics) -> tuple[list[str], list[Family]]:
    """Names of the metrics that the list shows, and its rows."""
    champion = champion_base(facts)
    grouped = list(group(facts).items())[:SHOWN_FAMILIES]
    theirs = metrics.get(champion or "", {})
    names = headlines(theirs or next(iter(metrics.values()), {}))
    rows = [_family(name, members, facts, metrics, champion, names) for name, members in grouped]
    shown = [one.name for one in compare(names, theirs, None)]
    return shown, rows


def _family(
    name: str,
    members: list[Version],
    facts: Facts,
    metrics: Metrics,
    champion: str | None,
    names: list[str],
) -> Family:
    trained = next((one for one in members if one.version == name), None)
    others = [one for one in members if one is not trained]
    mine = metrics.get(name, {})
    theirs = None if champion in (None, name) else metrics.get(champion or "", {})
    return Family(
        name,
        trained or members[0],
        _stage(name, members, facts),
        compare(names, mine, theirs),
        [_recalibration(one, facts) for one in others[:SHOWN_RECALIBRATIONS]],
        max(0, len(others) - SHOWN_RECALIBRATIONS),
    )


def _stage(name: str, members: list[Version], facts: Facts) -> Stage:
    """The most prominent stage of all that are this model."""
    best, who = min(((stage_of(one, facts), one.version) for one in members),
                    key=lambda each: each[0].rank)  # fmt: skip
    if who == name or best.rank > 2:
        return best
    return Stage(best.rank, best.style, f"{best.word}, recalibrated")


def _recalibration(version: Version, facts: Facts) -> Recalibration:
    return Recalibration(version, stage_of(version, facts), offsets_of(version))


def offsets_of(version: Version) -> str:
    """What a version's answers are shifted by, as text; empty = they are not."""
    offsets = version.made.get(OFFSETS)
    known = offsets if isinstance(offsets, list) else []
    return ", ".join(f"{one:+.3g}" for one in known[:8] if isinstance(one, int | float))

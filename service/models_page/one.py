"""One version as its page shows it; nothing here reads a database or writes HTML."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.lineage import RETIRED, describe_retired
from service.models_page.changes import Changes, find_changes
from service.models_page.compare import Compared, compare_all
from service.models_page.families import SHOWN_RECALIBRATIONS, base_of, offsets_of
from service.models_page.files import Made
from service.models_page.read import Facts, Version
from service.models_page.stages import Stage, stage_of


@dataclass(frozen=True)
class View:
    """A version's page.

    Attributes:
        base: the version that it recalibrates; None = it was trained.
        recalibrations: the newest of it; `more` are not shown.
        changes: against the champion; None = it is the champion, or files are gone.
        gone: why its files cannot be looked at.
    """

    version: Version
    stage: Stage
    base: str | None
    offsets: str
    metrics: list[Compared]
    recalibrations: list[Version]
    more: int
    changes: Changes | None
    has_card: bool
    gone: str | None


def make_version(
    name: str,
    facts: Facts,
    metrics: Mapping[str, Mapping[str, Any]],
    mine: Made | None,
    champion: Made | None,
) -> View:
    """Put a version's page together.

    Args:
        metrics: of it and of the champion.
        mine: its files; None = gone or altered.
        champion: the champion's, where that is another.
    """
    version = next(one for one in facts.versions if one.version == name)
    stage, base = stage_of(version, facts), base_of(version)
    current = facts.champion.version if facts.champion else None
    theirs = None if current in (None, name) else metrics.get(current or "", {})
    members = [one for one in facts.versions if one.version != name and base_of(one) == name]
    return View(
        version,
        stage,
        None if base == name else base,
        offsets_of(version),
        compare_all(metrics.get(name, {}), theirs),
        members[:SHOWN_RECALIBRATIONS],
        max(0, len(members) - SHOWN_RECALIBRATIONS),
        find_changes(mine, champion) if mine is not None and champion is not None else None,
        mine is not None and "model_card.html" in mine.manifest.get("files", {}),
        _gone(version, mine),
    )


def _gone(version: Version, mine: Made | None) -> str | None:
    if RETIRED in version.made:
        return describe_retired(version.version, version.made)
    return None if mine is not None else "its files cannot be read here, or were altered"

"""The stage of a version: a word for it, and how prominent it is."""

from dataclasses import dataclass

from contracts.lineage import RETIRED
from service.models_page.read import Facts, Version

_OTHER = {"canary": "canary", "ab": "in an A/B test", "shadow": "shadow"}


@dataclass(frozen=True)
class Stage:
    """`rank` sorts: the champion is 0."""

    rank: int
    style: str
    word: str


def stage_of(version: Version, facts: Facts) -> Stage:
    """What a version is now."""
    name = version.version
    if facts.champion is not None and facts.champion.version == name:
        return Stage(0, "good", "champion")
    rule = facts.traffic.rule if facts.traffic else None
    if rule is not None and rule.version == name:
        return Stage(1, "warn", f"{_OTHER.get(rule.mode, rule.mode)}, {rule.share or 0:.0%}")
    if name in facts.awaiting:
        return Stage(2, "warn", "awaits a person's word")
    if RETIRED in version.made:
        return Stage(5, "quiet", "files removed")
    if name in facts.reigned:
        return Stage(3, "quiet", "former champion")
    return Stage(4, "quiet", "never champion")

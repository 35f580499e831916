"""Counts what the gate let pass, and writes it down."""

from collections.abc import Sequence
from typing import Any

from benchmarks.gate.sabotage import HONEST

REPORTED = "2013-08-01"  # settings were chosen on decisions before
TRULY_BETTER = 0.005  # log-loss a row in the month that followed
STRETCHES = {"May to December": "", "August to December": REPORTED}
Trials = Sequence[dict[str, Any]]


def summarise(found: Trials) -> dict[str, Any]:
    """By stretch of decisions: sabotaged, truly better and honest challengers, and by kind."""
    return {name: _counts([t for t in found if t["at"] >= since])
            for name, since in STRETCHES.items()}  # fmt: skip


def _counts(found: Trials) -> dict[str, Any]:
    honest = [t for t in found if t["kind"] == HONEST.name]
    sabotaged = [t for t in found if t["kind"] != HONEST.name]
    kinds = dict.fromkeys(t["kind"] for t in sabotaged)
    return {
        "sabotaged": _passed(sabotaged),
        "sabotaged_and_worse": _passed([t for t in sabotaged if t["gained"] < 0]),
        "better": _passed([t for t in honest if t["gained"] >= TRULY_BETTER]),
        "honest": _passed(honest),
        "kinds": {kind: _of_kind([t for t in sabotaged if t["kind"] == kind]) for kind in kinds},
    }


def _passed(found: Trials) -> dict[str, int]:
    return {"trials": len(found), "promoted": sum(t["verdict"]["promote"] for t in found)}


def _of_kind(found: Trials) -> dict[str, Any]:
    gains = [t["gained"] for t in found]
    return _passed(found) | {
        "worse": sum(gain < 0 for gain in gains),
        "promoted_and_worse": sum(t["verdict"]["promote"] and t["gained"] < 0 for t in found),
        "gained": sum(gains) / len(gains),
        "by": _counted(found),
    }


def _counted(found: Trials) -> dict[str, int]:
    """What refused them: more than one may have."""
    verdicts = [t["verdict"] for t in found if not t["verdict"]["promote"]]
    return {
        "outcomes": sum(_on_outcomes(v) for v in verdicts),
        "segments": sum(bool(v["hurt"]) for v in verdicts),
        "golden": sum(not v["golden"]["passed"] for v in verdicts),
        "forgotten": sum(bool(v["golden"]["forgotten"]) for v in verdicts),
        "belief": sum("too good to be" in v["reason"] for v in verdicts),
    }


def _on_outcomes(verdict: dict[str, Any]) -> bool:
    t = verdict["t"]
    return t is None or t <= verdict["asked_t"]


def missed(summary: dict[str, Any]) -> list[str]:
    """The bars that are not met, in words."""
    told = []
    for stretch, found in summary.items():
        worse, better = found["sabotaged_and_worse"], found["better"]
        if worse["promoted"]:
            told.append(f"{worse['promoted']} of {worse['trials']} sabotaged promoted, {stretch}")
        if better["promoted"] < 0.8 * better["trials"]:
            told.append(f"{better['promoted']} of {better['trials']} better promoted, {stretch}")
    return told


def as_tables(figures: dict[str, Any]) -> str:
    """Markdown: a line a stretch, then a line a kind."""
    lines = [
        ["decisions", "sabotaged and worse: promoted", "truly better: promoted",
         "all honest: blocked", "all sabotaged: promoted"],
        ["---"] * 5,
        *(_stretch(name, found) for name, found in figures["summary"].items()),
    ]  # fmt: skip
    kinds = [
        ["sabotage", "trials", "loss added", "worse", "promoted", "of them worse",
         "refused by outcomes", "segments", "golden rows", "a forgotten column", "disbelief"],
        ["---"] * 11,
        *(_kind(*each) for each in figures["summary"]["May to December"]["kinds"].items()),
    ]  # fmt: skip
    tables = ["\n".join(f"| {' | '.join(line)} |" for line in part) for part in (lines, kinds)]
    return "\n\n".join([*tables, f"It took {figures['seconds'] / 60:.0f} minutes."])


def _stretch(name: str, found: dict[str, Any]) -> list[str]:
    honest = found["honest"]
    blocked = honest["trials"] - honest["promoted"]
    return [
        name,
        *(f"{found[key]['promoted']} of {found[key]['trials']}"
          for key in ("sabotaged_and_worse", "better")),
        f"{blocked} of {honest['trials']}",
        f"{found['sabotaged']['promoted']} of {found['sabotaged']['trials']}",
    ]  # fmt: skip


def _kind(name: str, found: dict[str, Any]) -> list[str]:
    by = found["by"]
    counts = (found["worse"], found["promoted"], found["promoted_and_worse"])
    refused = (by["outcomes"], by["segments"], by["golden"], by["forgotten"], by["belief"])
    return [name, str(found["trials"]), f"{-found['gained']:+.3f}", *map(str, counts),
            *map(str, refused)]  # fmt: skip

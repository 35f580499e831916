"""bench-harm's figures: how often harm is told, and harmless changes are not; and the bars."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Figures = Mapping[str, Any]

SAID = {
    "with_outcomes": "ours, outcomes one day late",
    "without_outcomes": "ours, before outcomes",
    "evidently_share": "Evidently: half of the columns",
    "evidently_any": "Evidently: any column",
}
# Matthews correlation at least, benign alarms at most, recall at least.
BARS = {"with_outcomes": (0.6, 0.1, 0.85), "without_outcomes": (0.25, None, None)}


def summarise(trials: Sequence[Figures]) -> dict[str, Any]:
    """Of the scenarios that chose settings, and of those that are reported."""
    halves = {"chosen_on": [t for t in trials if t["tuned"]],
              "reported": [t for t in trials if not t["tuned"]]}  # fmt: skip
    return {half: {said: rates(some, said) for said in SAID} for half, some in halves.items()}


def rates(trials: Sequence[Figures], said: str) -> dict[str, Any]:
    """Matthews correlation, share of benign windows that alarm, and of harmful ones that do."""
    judged = [t for t in trials if t[said] is not None]
    harmful, alarm = (np.array([t[name] for t in judged], bool) for name in ("harmful", said))
    hits, misses = (harmful & alarm).sum(), (harmful & ~alarm).sum()
    false, quiet = (~harmful & alarm).sum(), (~harmful & ~alarm).sum()
    product = float(hits + false) * (hits + misses) * (quiet + false) * (quiet + misses)
    correlation = float(hits * quiet - false * misses) / np.sqrt(product) if product else 0.0
    return {
        "windows": len(judged),
        "harmful": int(harmful.sum()),
        "mcc": float(correlation),
        "benign_alarms": float(false / max(1, (~harmful).sum())),
        "recall": float(hits / max(1, harmful.sum())),
    }


def missed(summary: Figures) -> list[str]:
    """The bars that were not reached on what is reported, in words."""
    found = []
    for said, (correlation, benign, recall) in BARS.items():
        one = summary["reported"][said]
        if one["mcc"] < correlation:
            found.append(f"{said}: Matthews correlation {one['mcc']:.2f}, at least {correlation}")
        if benign is not None and one["benign_alarms"] > benign:
            found.append(f"{said}: {one['benign_alarms']:.1%} benign alarms, at most {benign:.0%}")
        if recall is not None and one["recall"] < recall:
            found.append(f"{said}: recall {one['recall']:.1%}, at least {recall:.0%}")
    return found


def as_tables(figures: Figures) -> str:
    """Markdown: the summary, then every scenario that is reported."""
    lines = [
        "| scenarios | judge | windows | harmful | Matthews correlation | benign alarms | recall |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    halves = {"reported": "July to December, reported",
              "chosen_on": "April to June, settings chosen on them"}  # fmt: skip
    for half, shown in halves.items():
        for said, name in SAID.items():
            one = figures["summary"][half][said]
            if not one["windows"]:
                continue
            lines.append(
                f"| {shown} | {name} | {one['windows']} | {one['harmful']} | {one['mcc']:.2f} "
                f"| {one['benign_alarms']:.0%} | {one['recall']:.0%} |"
            )
    lines += [
        "",
        "| scenario, reported | rise of the loss | harmful | called so | before outcomes |",
        "| --- | --- | --- | --- | --- |",
    ]
    names = dict.fromkeys(t["scenario"] for t in figures["trials"] if not t["tuned"])
    for name in names:
        some = [t for t in figures["trials"] if t["scenario"] == name]
        shares = [f"{np.mean([t[key] for t in some]):.0%}"
                  for key in ("harmful", "with_outcomes", "without_outcomes")]  # fmt: skip
        rise = np.mean([t["rise"] for t in some])
        lines.append(f"| {name} | {rise:+.3f} | {' | '.join(shares)} |")
    return "\n".join(lines)

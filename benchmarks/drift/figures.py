"""The form of benchmarks/results/bench-drift.json.

`false_alarm_rate`: size of window -> `ours`, `evidently_default`; `power`: change -> size ->
`detected`, `delay_windows`, `cause_first`; `scale`: `rows`, `seconds`, `rss_mb` of bench-scale.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.drift.measure import Kind, Outcome, changed, false_alarms, power, unchanged
from benchmarks.results import RESULTS

Figures = dict[str, Any]


def read_figures(results: Path = RESULTS) -> Figures:
    """Those of the last run; {} = there was none."""
    path = results / "bench-drift.json"
    return json.loads(path.read_text()) if path.exists() else {}


def put_together(
    kinds: Sequence[Kind],
    outcomes: Mapping[str, Sequence[Outcome]],
    before: Figures,
    results: Path = RESULTS,
) -> Figures:
    """All figures, in the order of the kinds.

    Args:
        outcomes: by the names of kinds.
        before: of kinds that were not measured again.
    """
    quiet = dict(before.get("false_alarm_rate", {}))
    by_shift = {shift: dict(sizes) for shift, sizes in before.get("power", {}).items()}
    for kind in kinds:
        if not outcomes[kind.name]:
            continue
        if kind.shift is None:
            found, there = false_alarms(kind, outcomes[kind.name]), quiet
        else:
            found = power(kind, outcomes[kind.name])
            there = by_shift.setdefault(kind.shift.name, {})
        there[kind.size] = found | _evidently(found, there.get(kind.size, {}))
    sizes = [kind.size for kind in unchanged()]
    shifts = dict.fromkeys(kind.shift.name for kind in changed() if kind.shift)
    return {
        "false_alarm_rate": {size: quiet[size] for size in sizes if size in quiet},
        "power": {shift: by_shift[shift] for shift in shifts if shift in by_shift},
        "scale": scale(results),
    }


def _evidently(found: Figures, before: Figures) -> Figures:
    """What Evidently says, which does not change with us: kept where it was not asked again."""
    kept = before if not found["evidently_windows"] else found
    return {n: kept[n] for n in ("evidently_default", "evidently_windows") if n in kept}


def scale(results: Path = RESULTS) -> list[Figures]:
    """What a check costs, of bench-scale's newest run or as it was; [] = it was never measured."""
    path = results / "bench-scale.json"
    if not path.exists():
        return list(read_figures(results).get("scale", []))
    return [
        {"rows": each["rows"], **{name: each["ours"][name] for name in ("seconds", "rss_mb")}}
        for each in json.loads(path.read_text())["scale"]
    ]


def missing_parts(figures: Figures) -> Iterator[str]:
    """Kinds of windows that were not measured, in words."""
    for kind in unchanged():
        if kind.size not in figures["false_alarm_rate"]:
            yield f"{kind.size}: not measured"
    for kind in changed():
        if kind.shift and kind.size not in figures["power"].get(kind.shift.name, {}):
            yield f"{kind.name}: not measured"

"""bench-drift's figures as Markdown, and the bars that they have to reach."""

from collections.abc import Iterator
from typing import Any

Figures = dict[str, Any]

# Measured rate beyond the declared one that a bar allows.
ALLOWED = {"independent rows": 0.015, "random days": 0.05, "categories": 0.06}
WITHIN = {  # a change, and the longest window that may be needed
    "+0.1 sd": "10000 independent rows",
    "10 % to 15 %": "10000 independent rows",
    "50 % to 60 %": "10000 independent rows",
    "unit change: miles to km": "1 days",
    "5 % missing": "1 days",
    "20 % of a carrier become a new code": "1 days",
    "30 % of a carrier become another": "7 days",
    "distance +0.25 sd": "7 days",
    "departure +0.25 sd": "7 days",
}
DETECTED, FIRST, IN_THREE = 0.95, 0.90, 0.98


def as_tables(figures: Figures) -> str:
    """Markdown: false alarms, then power."""
    quiet = [
        [name, f"{each['declared']:.0%}", f"{each['ours']:.1%}", each["windows"],
         _share(each["evidently_default"]), each["evidently_windows"]]
        for name, each in figures["false_alarm_rate"].items()
    ]  # fmt: skip
    changed = [
        [shift, size, _share(each["detected"]), *_causes(each), each["windows"],
         _share(each["evidently_default"])]
        for shift, sizes in figures["power"].items()
        for size, each in sizes.items()
    ]  # fmt: skip
    first = _table(
        ["no change", "declared", "ours alarms", "windows", "Evidently alarms", "windows"], quiet
    )
    second = _table(
        ["change", "window", "found", "cause first", "among three", "windows", "Evidently alarms"],
        changed,
    )
    return f"{first}\n\n{second}"


def missed(figures: Figures) -> list[str]:
    """The bars that were not reached, in words."""
    return [*_too_many(figures["false_alarm_rate"]), *_too_few(figures["power"])]


def _too_many(quiet: Figures) -> Iterator[str]:
    for name, each in quiet.items():
        allowed = next(limit for kind, limit in ALLOWED.items() if kind in name)
        if each["ours"] > allowed:
            yield f"{name}: {each['ours']:.1%} false alarms, allowed {allowed:.1%}"


def _too_few(changed: Figures) -> Iterator[str]:
    for name, sizes in changed.items():
        size = WITHIN.get(name)
        if size not in sizes:
            continue  # shown, without a bar
        each = sizes[size]
        for what, least in (("detected", DETECTED), ("cause_first", FIRST),
                            ("cause_in_three", IN_THREE)):  # fmt: skip
            if each[what] < least:
                yield f"{name}, {size}: {what} {each[what]:.0%}, at least {least:.0%}"


def _causes(each: Figures) -> list[str]:
    """Of the windows that alarmed; nothing where none did."""
    if not each["detected"]:
        return ["", ""]
    return [_share(each["cause_first"]), _share(each["cause_in_three"])]


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _table(header: list[str], lines: list[list[Any]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [header, rule, *lines])

"""The suite's figures as Markdown."""

from collections.abc import Mapping
from typing import Any

HEADER = (
    "| fault | trials | acknowledged rows | lost | duplicated | torn | mismatched | refused "
    "| recovery s, p99 | drained s, p99 |"
)


def as_table(results: Mapping[str, Any]) -> str:
    """Markdown: one row a fault, then what became of the seeded bugs."""
    faults = {name: one for name, one in results.items() if "acknowledged" in one}
    controls = {name: one for name, one in results.items() if "found" in one}
    lines = [HEADER, "|---" * 10 + "|", *[_row(name, one) for name, one in faults.items()]]
    if controls:
        found = [f"{name.removeprefix('control_')}: {_harm(one)}" for name, one in controls.items()]
        lines += ["", f"Seeded bugs, which the suite must find: {'; '.join(found)}."]
    return "\n".join(lines)


def _row(name: str, one: Mapping[str, Any]) -> str:
    counts = [f"{one.get(k, 0):,}" for k in ("trials", "acknowledged", "lost", "duplicated",
                                             "torn", "mismatched", "refused")]  # fmt: skip
    times = [f"{one[k]:.2f}" if k in one else "" for k in ("recovery_s_p99", "drain_s_p99")]
    return f"| {' | '.join([name, *counts, *times])} |"


def _harm(one: Mapping[str, Any]) -> str:
    found = one["found"]
    if isinstance(found, str):
        return found
    return ", ".join(f"{count:,} {kind}" for kind, count in found.items()) or "not found"

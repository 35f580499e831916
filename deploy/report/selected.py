"""Which of the benchmarks' tables the report shows, and under which headings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.report.measured import Measured, Table, table_of

SERVED = ("echo", "sqlite", "postgresql", "tutorial")
SERVING = {
    "system": "system", "connections": "callers", "requests/s": "questions a second",
    "p50 ms": "half took at most, ms", "p99 ms": "nearly all took at most, ms", "errors": "errors",
}  # fmt: skip
FAULTS = {
    "fault": "fault", "trials": "trials", "acknowledged rows": "answered rows", "lost": "lost",
    "duplicated": "doubled", "torn": "damaged", "mismatched": "of another version",
    "refused": "refused",
}  # fmt: skip
HARM = {
    "judge": "judge", "windows": "windows", "harmful": "harmful", "recall": "harm found",
    "benign alarms": "harmless called harmful", "Matthews correlation": "correlation",
}  # fmt: skip
TRIALS = {
    "decisions": "months", "sabotaged and worse: promoted": "spoiled and worse: let through",
    "truly better: promoted": "better: let through", "all honest: blocked": "honest: refused",
}  # fmt: skip
KINDS = {
    "sabotage": "how it was spoiled", "trials": "trials", "worse": "worse",
    "promoted": "let through", "of them worse": "of them worse",
}  # fmt: skip
SCALE = {"rows in the window": "rows in the window", "check: time": "time",
         "check: memory": "memory"}  # fmt: skip
# Blocks of documents: the command that measures, and what the report takes.
BLOCKS = {
    "bench-serve": ("make bench-serve", "questions a second"),
    "faults": ("make faults", "what faults do to answered rows"),
    "bench-harm": ("make bench-harm", "whether harm is told from change"),
    "bench-estimate": ("make bench-estimate", "estimates beside what came true"),
    "bench-gate": ("make bench-gate", "whether the gate can be fooled"),
    "bench-scale": ("make bench-scale", "what a check costs"),
}
REPORTED = "July to December, reported"  # the windows that chose no setting


@dataclass(frozen=True)
class Speed:
    """Single questions a second.

    Attributes:
        best: of the service on SQLite.
        times: so many times the tutorial's best.
        machine: what it was measured on, a sentence.
    """

    table: Table
    best: str
    times: str
    machine: str


def select(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The tables by the names that the templates know; None = the benchmark was never run."""
    harm = table_of(measured, "bench-harm")
    return {
        "speed": _speed(measured),
        "faults": _named(_pick(table_of(measured, "faults"), FAULTS)),
        "harm": _pick(harm and harm.where("scenarios", REPORTED), HARM),
        "gate_trials": _pick(table_of(measured, "bench-gate"), TRIALS),
        "gate_kinds": _pick(table_of(measured, "bench-gate", 1), KINDS),
        "scale": _pick(table_of(measured, "bench-scale"), SCALE),
    }


def _speed(measured: Mapping[str, Measured]) -> Speed | None:
    table, bars = table_of(measured, "bench-serve"), table_of(measured, "bench-serve", 2)
    if table is None or bars is None:
        return None
    ours = table.where("system", "sqlite").pick({"requests/s": ""}).rows
    times = next(row[1] for row in bars.rows if "tutorial" in row[0])
    shown = table.where("system", *SERVED).pick(SERVING)
    best = max((row[0] for row in ours), key=_number)
    machine = next((n for n in measured["bench-serve"].notes if n.startswith("Measured on")), "")
    return Speed(shown, best, f"{float(times):.0f}", machine)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _pick(table: Table | None, headings: Mapping[str, str]) -> Table | None:
    return table and table.pick(headings)


def _named(table: Table | None) -> Table | None:
    """With the blanks that names in code lack."""
    return table and Table(
        table.head, tuple((row[0].replace("_", " "), *row[1:]) for row in table.rows)
    )

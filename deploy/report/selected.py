"""Which of the benchmarks' tables the report shows, and under which headings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.report.measured import Measured, Table, table_of

SERVED = ("echo", "sqlite", "postgresql", "tutorial")
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
        "faults": _faults(table_of(measured, "faults")),
        "harm": harm and harm.where("scenarios", REPORTED).pick(
            judge="judge", windows="windows", harmful="harmful", recall="recall",
            called_harmful_for_nothing="benign alarms", correlation="Matthews correlation",
        ),
        "gate_trials": _trials(table_of(measured, "bench-gate")),
        "gate_kinds": _kinds(table_of(measured, "bench-gate", 1)),
        "scale": _scale(table_of(measured, "bench-scale")),
    }  # fmt: skip


def _speed(measured: Mapping[str, Measured]) -> Speed | None:
    table, bars = table_of(measured, "bench-serve"), table_of(measured, "bench-serve", 2)
    if table is None or bars is None:
        return None
    ours = table.where("system", "sqlite").pick(rate="requests/s").rows
    times = next(row[1] for row in bars.rows if "tutorial" in row[0])
    shown = table.where("system", *SERVED).pick(
        system="system", callers="connections", questions_a_second="requests/s",
        half="p50 ms", slowest="p99 ms", errors="errors",
    )  # fmt: skip
    best = max((row[0] for row in ours), key=_number)
    machine = next((n for n in measured["bench-serve"].notes if n.startswith("Measured on")), "")
    return Speed(shown, best, f"{float(times):.0f}", machine)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _faults(table: Table | None) -> Table | None:
    if table is None:
        return None
    shown = table.pick(
        fault="fault", trials="trials", answered_rows="acknowledged rows", lost="lost",
        doubled="duplicated", damaged="torn", of_another_version="mismatched", refused="refused",
    )  # fmt: skip
    return Table(shown.head, tuple((row[0].replace("_", " "), *row[1:]) for row in shown.rows))


def _trials(table: Table | None) -> Table | None:
    return table and table.pick(
        months="decisions", spoiled_and_worse_let_through="sabotaged and worse: promoted",
        better_let_through="truly better: promoted", honest_refused="all honest: blocked",
    )  # fmt: skip


def _kinds(table: Table | None) -> Table | None:
    return table and table.pick(
        how_it_was_spoiled="sabotage", trials="trials", worse="worse", let_through="promoted",
        of_them_worse="of them worse",
    )  # fmt: skip


def _scale(table: Table | None) -> Table | None:
    return table and table.pick(
        rows_in_the_window="rows in the window", time="check: time", memory="check: memory",
    )  # fmt: skip

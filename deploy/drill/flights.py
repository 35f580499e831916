"""The drill's traffic: flights of the training month, asked again on later days."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from client import Client, Outcome

ROWS_A_DAY = 100
SEED = 5
OUTCOME_AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class Day:
    """Questions of one day and what became true of them."""

    rows: list[list[Any]]
    outcomes: list[int]


class Flights:
    """Days of flights in order, from the beginning again after the last one.

    Args:
        raw: the copy's table; `names`: features in schema order.
    """

    def __init__(self, raw: Path, names: Sequence[str]) -> None:
        table = pd.read_parquet(raw)
        table = table[table.late.notna()]
        days = table.event_time.dt.floor("D")
        self._days = [_day(rows, names) for _, rows in table.groupby(days) if _is_full(rows)]

    def day(self, number: int) -> Day:
        return self._days[number % len(self._days)]


def _is_full(rows: pd.DataFrame) -> bool:
    return len(rows) >= ROWS_A_DAY


def _day(rows: pd.DataFrame, names: Sequence[str]) -> Day:
    chosen = rows.sample(ROWS_A_DAY, random_state=SEED)
    columns = chosen[list(names)].astype(object)
    values = columns.where(columns.notna(), None).to_numpy().tolist()
    return Day(values, [int(late) for late in chosen.late])


def as_it_was(outcome: int) -> int:
    """The world that the first model has learned."""
    return outcome


def upside_down(outcome: int) -> int:
    """A world in which punctual flights are late: no input changes, and every answer is wrong."""
    return 1 - outcome


def send_days(
    client: Client,
    flights: Flights,
    start: datetime,
    days: range,
    becomes: Callable[[int], int],
) -> Iterator[str]:
    """Ask about the flights of some days and send what became true.

    Args:
        start: midnight of day 0.

    Yields:
        The ids of what was answered.

    Raises:
        ClientError: the service refused, or did not answer.
    """
    for number in days:
        day, noon = flights.day(number), start + timedelta(days=number, hours=12)
        answers = client.predict(day.rows, noon)
        known = [
            Outcome(each.prediction_id, becomes(outcome), noon + OUTCOME_AFTER)
            for each, outcome in zip(answers, day.outcomes, strict=True)
        ]
        client.send_outcomes(known)
        yield from (each.prediction_id for each in answers)

"""The replay's client: one request per flight, outcomes in batches, every answer counted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from client import AsyncClient, ClientError, Outcome

CONNECTIONS = 48


@dataclass(frozen=True)
class Flight:
    """One question, with what is asked and what will be known."""

    hour: datetime
    features: list[Any]  # in schema order
    outcome: int | None  # None = cancelled or diverted: no outcome, ever
    known_at: datetime


@dataclass
class Tally:
    """What the client has seen; the product's own counts are compared with it at the end."""

    answered: list[str] = field(default_factory=list)  # prediction ids of 200 answers
    failures: list[str] = field(default_factory=list)  # what else came back
    outcomes: int = 0


def make_flights(table: pd.DataFrame, names: Sequence[str]) -> list[Flight]:
    """One Flight per row of the source, in the table's order."""
    columns = [table[name].astype(object).where(table[name].notna(), None) for name in names]
    hours = [hour.to_pydatetime() for hour in table.event_time]
    known = table.known_at.fillna(table.event_time)
    return [
        Flight(
            hour,
            values,
            None if pd.isna(late) else int(late),
            at.to_pydatetime(),
        )
        for hour, late, at, *values in zip(hours, table.late, known, *columns, strict=True)
    ]


class Traffic:
    """Sends flights and outcomes to a running service, and keeps the tally."""

    def __init__(self, client: AsyncClient) -> None:
        self.tally = Tally()
        self._client = client
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def predict(self, flight: Flight) -> str | None:
        """Ask about one flight; the prediction's id, or None if it failed."""
        async with self._slots:
            try:
                answer = await self._client.predict_one(flight.features, flight.hour)
            except ClientError as error:
                self.tally.failures.append(str(error))
                return None
        self.tally.answered.append(answer.prediction_id)
        return answer.prediction_id

    async def send_outcomes(self, known: Sequence[tuple[str, int, datetime]]) -> None:
        """Send outcomes: prediction id, class, when it was observed."""
        given = [Outcome(prediction_id, outcome, at) for prediction_id, outcome, at in known]
        try:
            results = await self._client.send_outcomes(given)
        except ClientError as error:
            self.tally.failures.append(str(error))
            return
        unknown = [one for one in results if one.status == "unknown"]
        self.tally.outcomes += len(results) - len(unknown)
        self.tally.failures += [f"outcome of {one.prediction_id}: unknown" for one in unknown]

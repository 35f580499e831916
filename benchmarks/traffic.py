"""The replay's client: one request per flight, outcomes in batches, every answer counted."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp
import pandas as pd

CONNECTIONS = 48
OUTCOME_BATCH = 5000


@dataclass(frozen=True)
class Flight:
    """One question, with what is asked and what will be known."""

    hour: datetime
    body: bytes  # of POST /predict
    outcome: int | None  # None = cancelled or diverted: no outcome, ever
    known_at: datetime


@dataclass
class Tally:
    """What the client has seen; the product's own counts are compared with it at the end."""

    answered: list[str] = field(default_factory=list)  # prediction ids of 200 answers
    failures: list[str] = field(default_factory=list)  # what else came back
    outcomes: int = 0


def make_flights(table: pd.DataFrame, names: Sequence[str]) -> list[Flight]:
    """One Flight per row of the source, its request encoded once, in the table's order."""
    columns = [table[name].astype(object).where(table[name].notna(), None) for name in names]
    hours = [hour.to_pydatetime() for hour in table.event_time]
    known = table.known_at.fillna(table.event_time)
    return [
        Flight(
            hour,
            json.dumps({"features": values, "event_time": hour.isoformat()}).encode(),
            None if pd.isna(late) else int(late),
            at.to_pydatetime(),
        )
        for hour, late, at, *values in zip(hours, table.late, known, *columns, strict=True)
    ]


class Client:
    """Posts flights and outcomes to a running service.

    Args:
        session: with its base URL set to the service.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.tally = Tally()
        self._session = session
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def predict(self, flight: Flight) -> str | None:
        """Ask about one flight; the prediction's id, or None if it failed."""
        async with self._slots:
            try:
                async with self._session.post(
                    "/predict", data=flight.body, headers={"Content-Type": "application/json"}
                ) as response:
                    content = await response.read()
            except aiohttp.ClientError as error:
                self.tally.failures.append(repr(error))
                return None
        if response.status != 200:
            self.tally.failures.append(f"{response.status} {content.decode()}")
            return None
        prediction_id: str = json.loads(content)["prediction_id"][0]
        self.tally.answered.append(prediction_id)
        return prediction_id

    async def send_outcomes(self, known: Sequence[tuple[str, int, datetime]]) -> None:
        """Post outcomes: prediction id, class, when it was observed."""
        for start in range(0, len(known), OUTCOME_BATCH):
            batch = [
                {"prediction_id": i, "outcome": outcome, "observed_at": at.isoformat()}
                for i, outcome, at in known[start : start + OUTCOME_BATCH]
            ]
            async with self._session.post("/outcomes", json={"outcomes": batch}) as response:
                if response.status == 200:
                    self.tally.outcomes += len(batch)
                else:
                    self.tally.failures.append(f"{response.status} {await response.text()}")

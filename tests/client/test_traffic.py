"""The replay's traffic through the client: what is answered is what is logged."""

import asyncio

import pandas as pd
from sqlalchemy import Engine, select

from benchmarks.traffic import Tally, Traffic, make_flights
from client import AsyncClient
from contracts.settings import Settings
from contracts.tables import outcomes, predictions
from tests.bundles import EXAMPLE, make_rows
from tests.service.servers import serving

ROWS = 60


def make_table() -> pd.DataFrame:
    """Flights as the replay's source has them, with the features of the bundles of these tests."""
    rows = make_rows(seed=3, rows=ROWS).replace("", None)
    hours = pd.date_range("2026-01-01", periods=ROWS, freq="h", tz="UTC")
    return rows.assign(event_time=hours, known_at=hours + pd.Timedelta(hours=2))


async def send(url: str, table: pd.DataFrame) -> Tally:
    flights = make_flights(table, list(EXAMPLE))
    async with AsyncClient(url) as client:
        traffic = Traffic(client)
        ids = await asyncio.gather(*map(traffic.predict, flights))
        known = [
            (one, flight.outcome, flight.known_at)
            for one, flight in zip(ids, flights, strict=True)
            if one is not None and flight.outcome is not None
        ]
        await traffic.send_outcomes([*known, ("nobody's", 1, flights[0].known_at)])
        return traffic.tally


def test_the_tally_is_what_the_database_has(
    settings: Settings, champion: str, engine: Engine
) -> None:
    table = make_table()
    table.loc[0, "temp"] = None  # may not be missing, so it is refused

    with serving(settings) as port:
        tally = asyncio.run(send(f"http://127.0.0.1:{port}", table))

    with engine.connect() as connection:
        rows = list(connection.execute(select(predictions)))
        recorded = list(connection.execute(select(outcomes)))
    assert set(tally.answered) == {row.prediction_id for row in rows}
    assert len(tally.answered) == tally.outcomes == len(recorded) == ROWS - 1
    assert {row.event_time for row in rows} == set(table.event_time[1:])
    refused, unknown = tally.failures
    assert "temp" in refused
    assert "unknown" in unknown

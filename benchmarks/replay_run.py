"""Sends the flights on their own clock, checks on that clock, retrains beside the traffic."""

import asyncio
import heapq
from datetime import datetime, timedelta
from itertools import groupby
from typing import Never

from sqlalchemy import Engine
from tqdm import tqdm

from benchmarks.traffic import CONNECTIONS, Flight, Tally, Traffic
from client import AsyncClient
from contracts.params import Params
from contracts.settings import Settings
from monitoring.check import run_check
from monitoring.probation import run_probation
from monitoring.recalibrate import run_recalibration
from monitoring.retrain import Outcome, retrain_after

# While a retrain runs, traffic is slowed to about this, so that a day lasts as long as it.
PACED_SECONDS_A_FLIGHT = 0.03
RECALIBRATE_HOURS = 6  # as the shipped schedule


async def replay(
    engine: Engine,
    settings: Settings,
    params: Params,
    flights: list[Flight],
    check_days: int,
    api_key: str | None,
) -> Tally:
    """Send every flight, in order; check every `check_days` days of their clock.

    Returns:
        What the client has seen.
    """
    base = f"http://{settings.host}:{settings.port}"
    async with AsyncClient(base, api_key, connections=CONNECTIONS) as client:
        with tqdm(total=len(flights), unit="flight", desc="replay", smoothing=0.02) as bar:
            run = _Replay(Traffic(client), engine, settings, params, bar)
            await run.send_all(flights, timedelta(days=check_days))
        return run.traffic.tally


class _Replay:
    """The running state: which outcomes are due, which retrain is under way."""

    def __init__(
        self,
        traffic: Traffic,
        engine: Engine,
        settings: Settings,
        params: Params,
        bar: "tqdm[Never]",
    ) -> None:
        self.traffic = traffic
        self._engine = engine
        self._settings = settings
        self._params = params
        self._bar = bar
        self._due: list[tuple[datetime, str, int]] = []  # a heap by time known
        self._retrain: asyncio.Task[Outcome | None] | None = None

    async def send_all(self, flights: list[Flight], check_every: timedelta) -> None:
        next_check = _midnight(flights[0].hour) + check_every
        for day, of_day in groupby(flights, lambda flight: _midnight(flight.hour)):
            if day >= next_check:
                await self._check(day)
                next_check += check_every
            for hour, of_hour in groupby(of_day, lambda flight: flight.hour):
                if hour.hour % RECALIBRATE_HOURS == 0:
                    await self._recalibrate(hour)
                await self._send_hour(list(of_hour))
                await self._send_due(hour)
            await self._finish_retrain()  # so the next day meets the swap at full speed
        await self._send_due(datetime.max.replace(tzinfo=flights[0].hour.tzinfo))

    async def _send_hour(self, flights: list[Flight]) -> None:
        tasks = []
        for flight in flights:
            if self._retrain and not self._retrain.done():
                await asyncio.sleep(PACED_SECONDS_A_FLIGHT)
            tasks.append(asyncio.create_task(self.traffic.predict(flight)))
        for flight, task in zip(flights, tasks, strict=True):
            prediction_id = await task
            if prediction_id and flight.outcome is not None:
                heapq.heappush(self._due, (flight.known_at, prediction_id, flight.outcome))
        self._bar.update(len(flights))

    async def _send_due(self, now: datetime) -> None:
        known = []
        while self._due and self._due[0][0] <= now:
            at, prediction_id, outcome = heapq.heappop(self._due)
            known.append((prediction_id, outcome, at))
        await self.traffic.send_outcomes(known)

    async def _check(self, now: datetime) -> None:
        """A check at `now`; its retrain runs in a thread while the next day's flights come."""
        directories = (self._settings.bundles_dir, self._settings.reports_dir)
        monitoring = self._params.monitoring
        found = await asyncio.to_thread(
            run_probation, self._engine, self._settings.bundles_dir, monitoring, now
        )
        if found is not None and found.rolled_back_to is not None:
            self._bar.write(f"{now:%Y-%m-%d}  rolled back: {found.reason}")
        check = await asyncio.to_thread(run_check, self._engine, *directories, monitoring, now)
        self._bar.write(f"{now:%Y-%m-%d}  {check.decision.action}: {check.decision.reason}")
        self._retrain = asyncio.create_task(
            asyncio.to_thread(
                retrain_after, self._engine, self._settings, self._params, lambda: now, check
            )
        )

    async def _recalibrate(self, now: datetime) -> None:
        recalibrate = self._params.monitoring.recalibrate
        if recalibrate is not None:
            await asyncio.to_thread(
                run_recalibration, self._engine, self._settings, recalibrate, now
            )

    async def _finish_retrain(self) -> None:
        if self._retrain:
            outcome = await self._retrain
            if outcome:
                told = f"{outcome.state} {outcome.challenger}: {outcome.reason}"
                self._bar.write(f"            {told}")
            self._retrain = None


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)

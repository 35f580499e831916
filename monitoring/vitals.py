"""Two versions by what they answered and failed, minute by minute: errors, and times to answer.

The service writes the figures (service/observe/vitals.py); nothing here waits for outcomes.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from contracts.monitoring_params import ErrorLimits, LatencyLimits, VitalsLimits
from contracts.registry import family
from contracts.tables import vitals
from contracts.vitals import SECONDS

Z = 3.0  # of both intervals: far enough apart for a look every few minutes
SLOWEST = 0.05  # the share of requests whose time is judged
SLOW_MINUTES = 0.8  # so many of the newest minutes have to be slow: a busy moment is not enough
MODEL_SHARE = 0.25  # of the added time that the model's own processor time has to explain
_MS = 1000


@dataclass(frozen=True)
class Sign:
    """What was seen of a version beside another, in a sentence; `worse` = it should go back."""

    sentence: str
    worse: bool = False


@dataclass(frozen=True)
class Vitals:
    """One model, recalibrated or not, in each minute in which it was asked, oldest first.

    Attributes:
        times: (m, bins) answered requests by time, see contracts/vitals.py.
        failed, not_finite: (m,) requests that it did not answer: it failed, or had no finite
            answer for a row.
        rows: (m,) answered.
        request_seconds: (m,) summed over the answered requests.
        model_seconds: (m,) the model's processor time that they waited for.
    """

    times: NDArray[np.int64]
    failed: NDArray[np.int64]
    not_finite: NDArray[np.int64]
    rows: NDArray[np.int64]
    request_seconds: NDArray[np.float64]
    model_seconds: NDArray[np.float64]

    @property
    def answered(self) -> int:
        return int(self.times.sum())

    @property
    def unanswered(self) -> NDArray[np.int64]:
        """(m,)"""
        return self.failed + self.not_finite


def read_vitals(connection: Connection, version: str, since: datetime, until: datetime) -> Vitals:
    """What all workers wrote of a version, or of another that is the same model.

    Rows that overlap the range count whole; each is of about a minute.
    """
    versions = list(family(connection, version))
    table = vitals.c
    inside = (table.since < until) & (table.until > since)
    query = select(vitals).where(inside, table.model_version.in_(versions))
    rows = connection.execute(query.order_by(table.since)).all()
    starts = np.array([int(row.since.timestamp()) // 60 for row in rows], np.int64)
    minutes, place = np.unique(starts, return_inverse=True)
    bins = len(SECONDS) + 1
    times = np.array([json.loads(row.times) for row in rows], np.int64).reshape(-1, bins)

    def summed(values: Any) -> NDArray[np.float64]:
        return np.bincount(place, np.asarray(values, np.float64), len(minutes)).astype(float)

    def column(name: str) -> NDArray[np.float64]:
        return summed([getattr(row, name) for row in rows])

    return Vitals(
        times=np.column_stack([summed(times[:, i]) for i in range(bins)]).astype(np.int64),
        failed=column("failed").astype(np.int64),
        not_finite=column("not_finite").astype(np.int64),
        rows=column("rows").astype(np.int64),
        request_seconds=column("request_seconds"),
        model_seconds=column("model_seconds"),
    )


def compare(old: Vitals, new: Vitals, limits: VitalsLimits) -> list[Sign]:
    """Judge a version beside the one that it replaced, or beside which it answers."""
    signs = []
    if limits.errors is not None:
        signs.append(_judge_errors(old, new, limits.errors))
    if limits.latency is not None:
        signs.append(_judge_latency(old, new, limits.latency))
    return signs


def _judge_errors(old: Vitals, new: Vitals, limits: ErrorLimits) -> Sign:
    """Worse, if Wilson's intervals (1927) leave more than `least_share` between them."""
    failed, minutes = int(new.unanswered.sum()), int((new.unanswered > 0).sum())
    asked = failed + new.answered
    failed_before = int(old.unanswered.sum())
    asked_before = failed_before + old.answered
    told = f"it failed {failed} of {asked} requests, its predecessor {failed_before} of "
    told += f"{asked_before}"
    if not asked or not asked_before:
        return Sign(f"{told}: nothing to compare")
    least, _ = _wilson(failed, asked)
    _, most = _wilson(failed_before, asked_before)
    enough = failed >= limits.min_failed and minutes >= limits.min_minutes
    if enough and least > most + limits.least_share:
        return Sign(f"{told}: at least {least:.1%} instead of at most {most:.1%}", True)
    return Sign(told)


def _wilson(number: int, of: int) -> tuple[float, float]:
    share, shrunk = number / of, 1 + Z**2 / of
    middle = (share + Z**2 / (2 * of)) / shrunk
    reach = Z / shrunk * (share * (1 - share) / of + Z**2 / (4 * of**2)) ** 0.5
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def _judge_latency(old: Vitals, new: Vitals, limits: LatencyLimits) -> Sign:
    """Worse, if nearly all of the newest minutes are slow, and the model is what takes the time."""
    before = _slow_from(old.times.sum(axis=0))
    stretches = _stretches(new.times.sum(axis=1), limits.min_requests)[-limits.minutes :]
    if before is None or old.answered < limits.minutes * limits.min_requests:
        known = f"only {old.answered} answers of its predecessor were timed"
        return Sign(f"its times to answer are not judged: {known}")
    if len(stretches) < limits.minutes:
        seen = f"{len(stretches)} minutes of at least {limits.min_requests} requests"
        return Sign(f"its times to answer are not judged: {seen}, {limits.minutes} asked for")
    bound = max(limits.ratio * before, before + limits.least_ms / _MS)
    place = int(np.searchsorted(SECONDS, bound)) + 1  # bins from here on are slow, all of them
    slow = [_slow_share(new.times[stretch], place) > SLOWEST for stretch in stretches]
    judged = slice(stretches[0].start, stretches[-1].stop)
    now = _slow_from(new.times[judged].sum(axis=0)) or 0.0
    told = (
        f"19 of 20 requests take {_told(now)}, with its predecessor {_told(before)}; "
        f"{sum(slow)} of {len(slow)} minutes are slow"
    )
    if sum(slow) < SLOW_MINUTES * len(slow):
        return Sign(told)
    added, of_model = (
        _mean(new, now_seconds[judged].sum(), judged) - _mean(old, before_seconds.sum())
        for now_seconds, before_seconds in (
            (new.request_seconds, old.request_seconds),
            (new.model_seconds, old.model_seconds),
        )
    )
    told += f", and the model's own work is {of_model * _MS:.1f} of {added * _MS:.1f} ms more"
    if of_model < MODEL_SHARE * added:
        return Sign(f"{told}: the machine is busy, not the model slow")
    a_row = new.model_seconds[judged].sum() / max(new.rows[judged].sum(), 1)
    if a_row < limits.ratio * old.model_seconds.sum() / max(old.rows.sum(), 1):
        return Sign(f"{told}: it is asked for more rows at once, not slower with each")
    return Sign(told, True)


def _slow_from(times: NDArray[np.int64]) -> float | None:
    """The upper edge, seconds, of the bin that SLOWEST of the requests reach; None = none were."""
    if not times.sum():
        return None
    beyond = times[::-1].cumsum()[::-1]  # as slow as the bin, or slower
    place = int(np.flatnonzero(beyond > SLOWEST * times.sum())[-1])
    return SECONDS[place] if place < len(SECONDS) else float("inf")


def _stretches(requests: NDArray[np.int64], least: int) -> list[slice]:
    """Minutes, joined until they have so many requests, oldest first."""
    found, start, number = [], 0, 0
    for place, more in enumerate(requests):
        number += int(more)
        if number >= least:
            found.append(slice(start, place + 1))
            start, number = place + 1, 0
    return found


def _slow_share(times: NDArray[np.int64], place: int) -> float:
    counts = times.sum(axis=0)
    return float(counts[place:].sum() / counts.sum())


def _mean(vitals: Vitals, seconds: float, place: slice = slice(None)) -> float:
    """A request of these minutes."""
    return seconds / max(int(vitals.times[place].sum()), 1)


def _told(seconds: float) -> str:
    if seconds == float("inf"):
        return f"more than {SECONDS[-1]:g} s"
    return f"at most {seconds * _MS:g} ms"

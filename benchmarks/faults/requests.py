"""What the client asks: every request is made from its number alone, and found again by it.

The number is the request's event time, in microseconds after START, so that each row in the
database names the request that it belongs to, also one that was never answered.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2020, 1, 1, tzinfo=UTC)
KEY_EVERY = 5  # every fifth request has an Idempotency-Key
MANY_EVERY, MANY_ROWS = 50, 20  # every fiftieth has many rows
_CARRIERS, _ORIGINS = ("AA", "DL", "UA"), ("EWR", "JFK", None)


@dataclass(frozen=True, slots=True)
class Request:
    """One question: its number, its rows and its bytes."""

    number: int
    key: str | None
    rows: tuple[dict[str, Any], ...]
    body: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the body."""
        return hashlib.sha256(self.body).hexdigest()


def make_request(number: int) -> Request:
    """The request of this number; the same number gives the same bytes."""
    many = number % MANY_EVERY == 0
    rows = tuple(make_row(number, i) for i in range(MANY_ROWS if many else 1))
    asked = {"instances": rows} if many else {"features": rows[0]}
    body = json.dumps({**asked, "event_time": moment_of(number).isoformat()}).encode()
    key = f"request-{number}" if number % KEY_EVERY == 0 else None
    return Request(number, key, rows, body)


def make_row(number: int, index: int) -> dict[str, Any]:
    """Values for tests.bundles.make_schema; neighbours differ in every one."""
    seed = number * 7919 + index
    return {
        "hour": seed % 24,
        "temp": 10.5 + seed % 8900 / 100,
        "wind": None if seed % 5 == 0 else seed % 40 + 0.25,
        "carrier": _CARRIERS[seed % 3],
        "origin": _ORIGINS[seed // 3 % 3],
    }


def moment_of(number: int) -> datetime:
    return START + timedelta(microseconds=number)


def number_of(moment: datetime) -> int:
    return (moment - START) // timedelta(microseconds=1)

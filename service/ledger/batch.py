"""What a group makes durable at once: the same for the database and for the spool."""

from collections.abc import Container
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from service.ledger.insert import Row
from service.ledger.outcomes import Outcome

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KeptAnswer(Struct, frozen=True, array_like=True):
    """A row of idempotency_keys: what was answered under a key.

    Attributes:
        start, stop: the batch's rows that belong to it.
    """

    owner: str
    key: str
    digest: str
    answer: str
    start: int = 0
    stop: int = 0

    @property
    def name(self) -> tuple[str, str]:
        return self.owner, self.key


class Batch(Struct, frozen=True, array_like=True):
    """Rows, answers under a key and outcomes that are stored together or not at all."""

    at: datetime
    rows: list[Row]
    keys: list[KeptAnswer] = []
    outcomes: list[Outcome] = []

    def rows_without(self, lost: Container[tuple[str, str]]) -> list[Row]:
        """The rows but for those whose key another request had first."""
        ranges = [range(kept.start, kept.stop) for kept in self.keys if kept.name in lost]
        skipped = {index for one in ranges for index in one}
        return [row for index, row in enumerate(self.rows) if index not in skipped]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Batch).decode


def encode(batch: Batch) -> bytes:
    return _encode(batch)


def decode(payload: bytes) -> Batch:
    """What `encode` made.

    Raises:
        msgspec.ValidationError: another program wrote it.
    """
    return _decode(payload)


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)

"""The spool: what the database could not take waits here, durable, until it is replayed.

Segments of checksummed records in a directory that this process holds (docs/adr/0017). One thread
appends, another reads and forgets.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock
from typing import NamedTuple

from service.ledger.records import Record, pack, scan
from service.ledger.slots import make_directory, segment_path, segments, slot_id, sync, take_slot

log = logging.getLogger(__name__)

SEGMENT_BYTES = 16_000_000
READ_BYTES = 1_000_000
READ_ROWS = 2_000


class SpoolFullError(RuntimeError):
    """The disk budget is spent."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the spool holds its {limit} bytes (PERENNIAL_SPOOL_MAX_BYTES)")


class SpoolWriteError(RuntimeError):
    """The disk did not take a record."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the spool cannot be written: {error.strerror}")


class Position(NamedTuple):
    """A place in the spool; the order is that of writing."""

    segment: int
    offset: int  # bytes


class Chunk(NamedTuple):
    """Records of one segment that follow each other; no records = nothing waits."""

    segment: int
    records: list[Record]

    @property
    def end(self) -> Position:
        return Position(self.segment, self.records[-1].end)


class Spool:
    """One slot, whose holder may append.

    Attributes:
        in_use: new rows go here and not to the database.
        position: everything before it is in the database, as far as is known here.
        rows: that wait, as far as headers tell.
        bytes: on disk; a replayed segment counts until it is deleted.
        oldest_at: microseconds since 1970: nothing that waits is older; None = nothing waits.
    """

    def __init__(self, slot: Path, held: int, max_bytes: int) -> None:
        self.slot = slot
        self.id = slot_id(slot)
        self._counting = Lock()  # never held while the disk works
        self._turn = Lock()
        self._free = Event()
        self._free.set()
        self.max_bytes = max_bytes
        self._held = held
        # So small that a budget of any size is freed piece by piece.
        self._segment_bytes = min(SEGMENT_BYTES, max_bytes // 8)
        self._ends = dict(segments(slot))  # number -> bytes that were acknowledged
        self._newest = max(self._ends, default=0)
        self._descriptor: int | None = None  # of the newest segment, while it is written
        self.position = Position(0, 0)
        self.bytes = sum(self._ends.values())
        self.rows = 0
        self.oldest_at: int | None = None
        for record in self._records():
            self.rows += record.rows
            self.oldest_at = self.oldest_at or record.at
        self.in_use = self.waiting

    @property
    def waiting(self) -> bool:
        """Whether something is not replayed."""
        return any(end > self._offset(number) for number, end in list(self._ends.items()))

    @property
    def fill(self) -> float:
        """Share of the budget that is spent."""
        return self.bytes / self.max_bytes

    @contextmanager
    def turn(self) -> Iterator[None]:
        """For the appending thread: `in_use` stays as it is meanwhile; `pause` comes first."""
        self._free.wait()
        with self._turn:
            yield

    @contextmanager
    def pause(self) -> Iterator[None]:
        """For the reading thread: nothing is appended meanwhile."""
        self._free.clear()  # a lock alone would go to the busier thread again and again
        try:
            with self._turn:
                yield
        finally:
            self._free.set()

    def append(self, payload: bytes, rows: int, keys: int, at: int) -> None:
        """Make a record durable; only in a `turn`.

        Raises:
            SpoolFullError, SpoolWriteError: it is not; nobody may be answered.
        """
        record = pack(payload, rows, keys, at)
        if self.bytes + len(record) > self.max_bytes:
            raise SpoolFullError(self.max_bytes)
        try:
            self._write(record)
        except OSError as error:
            self._abandon()
            raise SpoolWriteError(error) from error
        with self._counting:
            self._ends[self._newest] += len(record)
            self.bytes += len(record)
            self.rows += rows
            self.oldest_at = self.oldest_at or at

    def read(self) -> Chunk:
        """What waits longest, damage too: READ_ROWS and READ_BYTES at most, but one record."""
        for number in sorted(self._ends):
            records: list[Record] = []
            rows = 0
            end = self._ends[number]
            for record in self._walk(number, self._offset(number), end):
                rows += record.rows
                size = record.end - self._offset(number)
                if records and (rows > READ_ROWS or size > READ_BYTES):
                    break
                records.append(record)
            if records:
                return Chunk(number, records)
            self._skip_rest(number, end - self._offset(number))
        return Chunk(0, [])

    def keyed(self) -> Iterator[bytes]:
        """Payloads of waiting records that hold answers under a key."""
        return (one.payload for one in self._records() if one.keys and one.payload is not None)

    def forget(self, position: Position) -> None:
        """Everything before `position` is in the database: delete what only holds that."""
        if position <= self.position:
            return
        forgotten = rows = 0
        for record in self._records(until=position):
            rows += record.rows
            forgotten = record.at or forgotten
        with self._counting:
            self.rows -= rows
            self.oldest_at = forgotten or self.oldest_at
            self.position = position
            if not self.waiting:
                self.oldest_at = None
        self._delete([number for number in list(self._ends) if number != self._newest])

    def raw(self, segment: int, record: Record) -> bytes:
        """A record's bytes as they are on disk."""
        with segment_path(self.slot, segment).open("rb") as file:
            return os.pread(file.fileno(), record.end - record.start, record.start)

    def quarantine(self, name: str, content: bytes) -> None:
        """Keep what cannot be replayed for a person to look at; durable, repeatable.

        Raises:
            OSError: it is not kept.
        """
        directory = self.slot / "quarantine"
        make_directory(directory)
        # The spool's id: its numbers begin anew where the slot was empty.
        path = directory / f"{self.id[:8]}-{name}"
        path.write_bytes(content)
        sync(path)
        sync(directory)

    def rest(self) -> None:
        """Nothing waits: the database takes new rows from now on. Only in a `pause`."""
        self._close_segment()
        self._delete(list(self._ends))
        self.in_use = False

    def close(self) -> None:
        """Let another process have the slot."""
        self._close_segment()
        os.close(self._held)

    def _offset(self, number: int) -> int:
        """Up to where a segment is replayed."""
        if number != self.position.segment:
            return 0 if number > self.position.segment else self._ends[number]
        return self.position.offset

    def _records(self, until: Position | None = None) -> Iterator[Record]:
        for number in sorted(self._ends):
            if until is None or number <= until.segment:
                for record in self._walk(number, self._offset(number), self._ends[number]):
                    if until is None or (number, record.end) <= until:
                        yield record

    def _walk(self, number: int, offset: int, end: int) -> Iterator[Record]:
        """The records of a segment from an offset to an end, read piece by piece."""
        size = READ_BYTES
        with segment_path(self.slot, number).open("rb", buffering=0) as file:
            while offset < end:
                data = os.pread(file.fileno(), min(size, end - offset), offset)
                complete = offset + len(data) >= end
                before = offset
                for record in scan(data, offset, complete):
                    yield record
                    offset = record.end
                if complete:
                    return
                size = READ_BYTES if offset > before else 2 * size

    def _skip_rest(self, number: int, torn: int) -> None:
        """What is no record at a segment's end was never acknowledged."""
        if torn:
            log.warning("skipping a torn tail of %d bytes in the spool", torn)
            with self._counting:
                self._ends[number] -= torn
                self.bytes -= torn

    def _write(self, record: bytes) -> None:
        full = self._ends.get(self._newest, 0) + len(record) > self._segment_bytes
        if self._descriptor is None or (full and self._ends[self._newest]):
            self._start_segment()
        if os.write(self._descriptor, record) != len(record):  # type: ignore[arg-type]
            raise OSError(28, "the disk is full")
        os.fdatasync(self._descriptor)  # type: ignore[arg-type]

    def _start_segment(self) -> None:
        self._close_segment()
        self._newest += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(segment_path(self.slot, self._newest), flags, 0o600)
        self._ends[self._newest] = 0
        sync(self.slot)

    def _abandon(self) -> None:
        """After a failure nobody knows what is on disk: never write this segment again."""
        with suppress(OSError):
            if self._descriptor is not None:
                os.ftruncate(self._descriptor, self._ends[self._newest])
        self._close_segment()
        self._delete([self._newest] if self._ends.get(self._newest) == 0 else [])

    def _close_segment(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _delete(self, numbers: "list[int] | Iterator[int]") -> None:
        """Delete those of the segments that are replayed."""
        for number in list(numbers):
            if self._offset(number) >= self._ends[number]:
                segment_path(self.slot, number).unlink(missing_ok=True)
                with self._counting:
                    self.bytes -= self._ends.pop(number)


def open_spool(directory: Path, max_bytes: int) -> Spool:
    """Take a slot of the spool; one that holds records, if nobody has it.

    Raises:
        SpoolUnusableError: the directory cannot be written.
    """
    slot, held = take_slot(directory)
    return Spool(slot, held, max_bytes)

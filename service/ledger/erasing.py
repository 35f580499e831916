"""Takes a subject's rows out of spools that nobody holds, and out of every quarantine.

A segment keeps its length, because the database knows by offsets how far it is replayed: what is
left of a record is padded with blanks. A spool that a running service holds is that service's:
its rows come into the database first, and are erased there.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.subject import Subject
from service.ledger.batch import Batch, decode, encode
from service.ledger.records import HEADER_BYTES, Record, pack, scan
from service.ledger.slots import all_slots, hold_slot, segment_path, segments, sync

_ID: Final = 0  # places in a Row
_FEATURES: Final = 4
_HALF = ".erasing"
_UUID = re.compile(r"[0-9a-f-]{36}")


@dataclass
class Erased:
    """What was found, and unless only counted, is gone.

    Attributes:
        rows, outcomes, keys: of records that waited.
        quarantined: pieces of quarantine files.
        ids: of the rows.
        held: slots of running services in which something waits.
    """

    rows: int = 0
    outcomes: int = 0
    keys: int = 0
    quarantined: int = 0
    ids: set[str] = field(default_factory=set)
    held: list[str] = field(default_factory=list)


def erase_from_spools(directory: Path, subject: Subject, *, dry_run: bool) -> Erased:
    """Erase, or only count; repeating it is harmless, also after a crash.

    Raises:
        OSError: a file cannot be read or written; what was done before stays done.
    """
    done = Erased()
    free: list[tuple[Path, int]] = []
    try:
        for slot in all_slots(directory):
            held = hold_slot(slot)
            if held is not None:
                free.append((slot, held))
            elif any(size for _, size in segments(slot)):
                done.held.append(slot.name)
        for slot, _ in free:
            done.ids |= _ids_in(slot, subject)
        whole = subject.with_ids(done.ids)  # outcomes and answers name them elsewhere
        for slot, _ in free:
            _erase_segments(slot, whole, done, dry_run)
        for slot in all_slots(directory):
            _erase_quarantine(slot / "quarantine", whole, done, dry_run)
    finally:
        for _, held in free:
            os.close(held)
    return done


def _ids_in(slot: Path, subject: Subject) -> set[str]:
    found: set[str] = set()
    for number, _ in segments(slot):
        for record in scan(segment_path(slot, number).read_bytes(), 0, True):
            batch = _open(record)
            if batch is not None:
                found |= {row[_ID] for row in batch.rows if subject.owns(row[_ID], row[_FEATURES])}
    return found


def _erase_segments(slot: Path, subject: Subject, done: Erased, dry_run: bool) -> None:
    for half in slot.glob(f"*{_HALF}"):  # of a run that was killed
        half.unlink()
    for number, _ in segments(slot):
        path = segment_path(slot, number)
        before = path.read_bytes()
        after = bytearray(before)
        for record in scan(before, 0, True):
            after[record.start : record.end] = _without(before, record, subject, done)
        if after != before and not dry_run:
            _replace(path, bytes(after))


def _without(data: bytes, record: Record, subject: Subject, done: Erased) -> bytes:
    """A record's bytes without the subject, as many as before."""
    whole, batch = data[record.start : record.end], _open(record)
    if batch is None:  # nobody can take a part out of damage
        if not subject.text_pattern().search(whole):
            return whole
        done.quarantined += 1
        return bytes(len(whole))
    rest = _rest(batch, subject, done)
    if rest is batch:
        return whole
    payload = encode(rest).ljust(len(whole) - HEADER_BYTES)
    return pack(payload, len(rest.rows), len(rest.keys), record.at)


def _rest(batch: Batch, subject: Subject, done: Erased) -> Batch:
    """The batch without the subject; itself where it holds nothing of theirs."""
    gone = {i for i, row in enumerate(batch.rows) if row[_ID] in subject.ids}
    outcomes = [one for one in batch.outcomes if one.prediction_id not in subject.ids]
    keys = [one for one in batch.keys if not _names(one.answer, subject)]
    if not gone and len(outcomes) == len(batch.outcomes) and len(keys) == len(batch.keys):
        return batch
    done.rows += len(gone)
    done.outcomes += len(batch.outcomes) - len(outcomes)
    done.keys += len(batch.keys) - len(keys)
    moved = [sum(1 for index in gone if index < place) for place in range(len(batch.rows) + 1)]
    kept = [
        msgspec.structs.replace(
            one, start=one.start - moved[one.start], stop=one.stop - moved[one.stop]
        )
        for one in keys
    ]
    rows = [row for i, row in enumerate(batch.rows) if i not in gone]
    return Batch(batch.at, rows, kept, outcomes)


def _names(text: str, subject: Subject) -> bool:
    """Whether an answer, or an outcome, holds one of the ids."""
    return not subject.ids.isdisjoint(_UUID.findall(text))


def _open(record: Record) -> Batch | None:
    if record.payload is None:
        return None
    try:
        return decode(record.payload)
    except msgspec.MsgspecError:
        return None


def _erase_quarantine(directory: Path, subject: Subject, done: Erased, dry_run: bool) -> None:
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if path.suffix == _HALF:
            path.unlink()
            continue
        before = path.read_bytes()
        pieces = before.split(b"\n") if path.suffix == ".refused" else [before]
        kept = [piece for piece in pieces if not _is_theirs(piece, subject)]
        done.quarantined += len(pieces) - len(kept)
        if len(kept) == len(pieces) or dry_run:
            continue
        if kept:
            _replace(path, b"\n".join(kept))
        else:
            path.unlink()
            sync(directory)


def _is_theirs(piece: bytes, subject: Subject) -> bool:
    """Of a refused part, which is JSON and an error's text, or of bytes that nobody can read."""
    try:
        part, _ = json.JSONDecoder().raw_decode(piece.decode())
        rows = list(_rows_of(part))
    except (ValueError, LookupError, TypeError):
        return subject.text_pattern().search(piece) is not None
    return any(subject.owns(*row) for row in rows) or _names(piece.decode(), subject)


def _rows_of(part: Any) -> Iterator[tuple[str, str]]:
    for row in part[1]:
        yield row[_ID], row[_FEATURES]


def _replace(path: Path, content: bytes) -> None:
    half = path.with_name(path.name + _HALF)
    half.write_bytes(content)
    half.chmod(path.stat().st_mode)
    sync(half)
    half.rename(path)
    sync(path.parent)

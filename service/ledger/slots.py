"""Which directory of the spool a process writes: the first one that nobody else holds.

A slot is held by a lock on a file in it, which ends with the process however that ends. So a
restarted worker finds what a dead one left behind.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


class SpoolUnusableError(RuntimeError):
    """The spool's directory cannot be written."""

    def __init__(self, directory: Path, error: OSError) -> None:
        super().__init__(
            f"the spool's directory {directory} cannot be used: {error.strerror}; "
            "make it writable or set PERENNIAL_SPOOL_DIR"
        )


def take_slot(directory: Path) -> tuple[Path, int]:
    """A slot for this process and the descriptor that holds it; slots with records come first.

    Raises:
        SpoolUnusableError: no slot can be made.
    """
    try:
        make_directory(directory)
        for slot in _candidates(directory):
            held = hold_slot(slot)
            if held is not None:
                return slot, held
    except OSError as error:
        raise SpoolUnusableError(directory, error) from None
    raise AssertionError("there is always another number")


def hold_slot(slot: Path) -> int | None:
    """The descriptor that holds a slot until it is closed; None = another process has it."""
    make_directory(slot)
    descriptor = os.open(slot / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def slot_id(slot: Path) -> str:
    """The UUID under which the database knows how far this slot is replayed.

    An empty slot gets another one: its numbers begin anew, and must not meet an old position.
    """
    path = slot / "id"
    if not path.exists() or not segments(slot):
        fresh = slot / "id.new"
        fresh.write_text(str(uuid.uuid4()))
        sync(fresh)
        fresh.rename(path)
        sync(slot)
    return path.read_text()


def all_slots(directory: Path) -> list[Path]:
    """Slots, held or not; none where the directory is not there."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.name.isdecimal())


def slots_with_records(directory: Path) -> list[Path]:
    """Slots, held or not, in which something waits."""
    return [slot for slot in all_slots(directory) if any(size for _, size in segments(slot))]


def segments(slot: Path) -> list[tuple[int, int]]:
    """Number and size in bytes of a slot's segments, in order."""
    found = []
    for path in slot.glob("*.spool"):
        try:
            found.append((int(path.stem), path.stat().st_size))
        except FileNotFoundError:  # replayed and deleted meanwhile
            continue
    return sorted(found)


def segment_path(slot: Path, number: int) -> Path:
    return slot / f"{number:012}.spool"


def make_directory(path: Path) -> None:
    """Make a directory and its parents; their names are as durable as what is put into them."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync(each.parent)


def sync(path: Path) -> None:
    """Make a file's content, or a directory's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _candidates(directory: Path) -> Iterator[Path]:
    waiting = slots_with_records(directory)
    existing = all_slots(directory)
    yield from waiting
    yield from (slot for slot in existing if slot not in waiting)
    number = 0
    while True:  # a number that is taken in between is held, and the next one is tried
        if (slot := directory / str(number)) not in existing:
            yield slot
        number += 1

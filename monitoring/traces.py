"""Where else a subject's data may lie: pages of checks, working copies, bundles, tables, caches.

Pages and working copies are ours to delete. Bundles answer, and what DVC tracks belongs to the
project's owner: those are only told.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.bundle_files import GOLDEN
from contracts.subject import Subject

SAMPLES = ("reference.parquet", GOLDEN)  # rows that bundles carry
# What training reads and writes, and DVC keeps, in a project.
TRACKED = ("data", "build", ".dvc/cache")
PIECE_BYTES = 4_000_000
OVERLAP_BYTES = 65_536  # longer than any value that a request may have
_MAGIC = b"PAR1"


def files_that_hold(directory: Path, subject: Subject) -> Iterator[Path]:
    """Files below a directory in which the subject occurs, in order."""
    if directory.is_dir():
        for path in sorted(directory.rglob("*")):
            if path.is_file() and not path.is_symlink() and holds(path, subject):
                yield path


def tracked_files(project: Path, subject: Subject) -> Iterator[Path]:
    """Files of the project's data and of DVC's cache in which the subject occurs."""
    for name in TRACKED:
        yield from files_that_hold(project / name, subject)


def bundles_that_hold(bundles: Path, subject: Subject) -> list[str]:
    """Versions of which a sample has a row of the subject.

    Only by a column's value: a sample has no prediction ids.
    """
    samples = [path for name in SAMPLES for path in bundles.glob(f"*/{name}")]
    return sorted({path.parent.name for path in samples if holds(path, subject)})


def holds(path: Path, subject: Subject) -> bool:
    """Whether a file has the subject: as a value of its column, or in its text."""
    with path.open("rb") as file:
        is_table = file.read(len(_MAGIC)) == _MAGIC
    return _table_holds(path, subject) if is_table else found_in(path, subject.text_pattern())


def found_in(path: Path, pattern: re.Pattern[bytes]) -> bool:
    """Whether a file's bytes match; read in pieces, for others may cut it off meanwhile."""
    tail = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            if pattern.search(tail + piece):
                return True
            tail = piece[-OVERLAP_BYTES:]
    return False


def _table_holds(path: Path, subject: Subject) -> bool:
    """Row group by row group; text columns of tables with ids are looked at for those."""
    try:
        table = pq.ParquetFile(path)
    except pa.ArrowInvalid:  # damaged, or no table after all
        return False
    names = [name for name in ("prediction_id", subject.column) if name in table.schema_arrow.names]
    return any(
        subject.is_value(value) if name == subject.column else value in subject.ids
        for batch in table.iter_batches(columns=names)
        for name in names
        for value in batch.column(name).unique().to_pylist()
    )

"""The finished parts of a scoring run, so that a killed one goes on where it stopped.

Only one process writes here. A part is complete or absent; the journal says what it is a part of.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.scoring.rows import PROBLEM, ROW, Scored

JOURNAL, LOCK, TEMPORARY, UNLOGGED = "_journal.json", "_lock", ".tmp", "_log-"


class ScoreError(RuntimeError):
    """The run cannot begin or go on; the message names the remedy."""


@dataclass(frozen=True)
class Parts:
    """The directory of the parts of `output`.

    Args:
        output: the file that is assembled from them, or the directory that they stay in.
    """

    output: Path
    directory: Path
    stay: bool

    def names(self) -> list[str]:
        """Finished parts, in order."""
        return sorted(path.name for path in self.directory.glob("[!_.]*.parquet"))

    def count_rows(self) -> int:
        return sum(pq.read_metadata(self.directory / name).num_rows for name in self.names())

    def write(self, name: str, scored: Scored, first: int, numbered: bool) -> None:
        """Keep a part; its ledger's rows come first, as a part without them would be forgotten.

        Args:
            first: number of the part's first row.
            numbered: put a column of row numbers in front.
        """
        if scored.ledger is not None:
            write_table(self.directory / f"{UNLOGGED}{name}", scored.ledger)
        answers = scored.answers
        if numbered:
            numbers = pa.array(range(first, first + len(answers)), pa.int64())
            answers = answers.add_column(0, ROW, numbers)
        write_table(self.directory / name, answers)

    def unlogged(self) -> Iterator[Path]:
        """Files with rows that the ledger may lack; those without a part are of no use."""
        for path in sorted(self.directory.glob(f"{UNLOGGED}*")):
            if (self.directory / path.name.removeprefix(UNLOGGED)).exists():
                yield path
            else:
                path.unlink()

    def count_bad(self) -> int:
        """Rows without an answer."""
        columns = (pq.read_table(self.directory / n, columns=[PROBLEM]) for n in self.names())
        return sum(len(table) - table.column(PROBLEM).null_count for table in columns)

    def finish(self, keep_problems: bool) -> None:
        """Put the parts together, or leave them where they were to stay."""
        if self.stay:
            journal = json.loads((self.directory / JOURNAL).read_text())
            _write_json(self.directory / JOURNAL, {**journal, "complete": True})
        else:
            self._assemble(keep_problems)
            remove(self.directory)

    def _assemble(self, keep_problems: bool) -> None:
        temporary = self.output.with_name(f".{self.output.name}{TEMPORARY}")
        parts = (pq.read_table(self.directory / name) for name in self.names())
        first = next(parts)
        first = first if keep_problems else first.drop_columns([PROBLEM])
        parquet = self.output.suffix in (".parquet", ".pq")
        writer = (pq.ParquetWriter if parquet else pa.csv.CSVWriter)(str(temporary), first.schema)
        with writer:
            writer.write_table(first)
            for part in parts:
                writer.write_table(part.select(first.column_names).cast(first.schema))
        _settle(temporary, self.output)


@contextmanager
def open_parts(output: str, identity: Mapping[str, Any], restart: bool) -> Iterator[Parts]:
    """The parts of an output, begun now or earlier by the same command; nobody else's meanwhile.

    Args:
        output: a file ending with .csv, .parquet or .pq; or a directory, which ends with /.
        identity: what must be the same for parts to belong together; JSON.
        restart: begin anew, whatever is there.

    Raises:
        ScoreError: the parts are of another run, another run is at it, or `output` is there.
    """
    if "://" in output:
        raise ScoreError(f"--output: {output} is no local path; copy the answers there afterwards")
    path = Path(output)
    stay = output.endswith("/") or path.is_dir()
    directory = path if stay else path.with_name(f"{path.name}.parts")
    if not stay and path.suffix not in (".csv", ".parquet", ".pq"):
        raise ScoreError(f"--output: {output} ends with none of .csv, .parquet, .pq and /")
    if not stay:  # of a run that was killed while it cleared up
        shutil.rmtree(_grave(directory), ignore_errors=True)
    _refuse_foreign(path, directory, stay, restart)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ScoreError(f"another run is writing {output}; wait for it") from None
        _begin(directory, identity, restart)
        yield Parts(path, directory, stay)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file that is complete or absent, whatever happens."""
    temporary = path.with_name(f"_{path.name}{TEMPORARY}")
    pq.write_table(table, temporary)
    _settle(temporary, path)


def remove(directory: Path) -> None:
    """Delete a directory of parts at once: what is left of a deletion is no directory of parts."""
    directory.rename(_grave(directory))
    shutil.rmtree(_grave(directory), ignore_errors=True)  # another run may be clearing it, too


def _grave(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.done")


def _refuse_foreign(path: Path, directory: Path, stay: bool, restart: bool) -> None:
    if directory.exists() and not (directory / JOURNAL).exists():
        ours = {LOCK, f"{JOURNAL}{TEMPORARY}"}
        if any(entry.name not in ours for entry in directory.iterdir()):
            raise ScoreError(f"{directory} holds other files; name an empty or a new directory")
    if not stay and path.exists() and not directory.exists() and not restart:
        raise ScoreError(f"{path} is there already; --restart replaces it")


def _begin(directory: Path, identity: Mapping[str, Any], restart: bool) -> None:
    for path in directory.glob(f"*{TEMPORARY}"):
        path.unlink()
    if restart:
        for path in [*directory.glob("*.parquet"), *directory.glob(JOURNAL)]:
            path.unlink()
    with suppress(FileNotFoundError):
        journal = json.loads((directory / JOURNAL).read_text())
        changed = sorted(key for key in identity if journal.get(key) != identity[key])
        if changed:
            raise ScoreError(
                f"{directory} was begun with another {' and '.join(changed)}; --restart throws "
                "its parts away and begins anew"
            )
        return
    _write_json(directory / JOURNAL, identity)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_name(f"{path.name}{TEMPORARY}")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    _settle(temporary, path)


def _settle(temporary: Path, path: Path) -> None:
    """Give a finished file its name once its bytes are on disk."""
    for kind, place in (("file", temporary), ("directory", path.parent)):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if kind == "file":
            temporary.replace(path)

"""Tables that benchmarks have written into the documents, between comments that name them.

A clean clone has no figures of its own for most benchmarks, but it has these.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.report.sources import ReportError

BLOCK = re.compile(r"<!-- ([a-z_-]+) -->\n(.*?)<!-- end -->", re.DOTALL)
RULE = re.compile(r"[|\s:-]+")  # between a table's head and its rows


@dataclass(frozen=True)
class Table:
    """A head and its rows, as they stand in the document."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def pick(self, headings: Mapping[str, str]) -> "Table":
        """Some columns under other headings.

        Args:
            headings: the document's heading -> ours.

        Raises:
            ReportError: the benchmark no longer writes such a column.
        """
        if gone := [old for old in headings if old not in self.head]:
            raise ReportError(f"no column {gone[0]!r} beside {self.head}; see selected.py")
        at = [self.head.index(old) for old in headings]
        rows = tuple(tuple(row[i] for i in at) for row in self.rows)
        return Table(tuple(headings.values()), rows)

    def where(self, column: str, *values: str) -> "Table":
        """The rows with one of the values in a column."""
        at = self.head.index(column)
        return Table(self.head, tuple(row for row in self.rows if row[at] in values))


@dataclass(frozen=True)
class Measured:
    """What a benchmark has written: its tables, and its sentences."""

    document: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


def read_measured(root: Path) -> dict[str, Measured]:
    """Every block of the documents, by the benchmark's name, made anew where its figures exist."""
    from benchmarks.document import DOCUMENTS, fill  # imports every benchmark: twelve seconds

    found: dict[str, Measured] = {}
    for path in DOCUMENTS:
        text = fill((root / path).read_text(encoding="utf-8"))
        found = {**dict(find_blocks(text, path.as_posix())), **found}
    return found


def find_blocks(text: str, document: str) -> Iterator[tuple[str, Measured]]:
    """The blocks of a document with their names."""
    for name, block in BLOCK.findall(text):
        parts = [part.strip() for part in block.strip().split("\n\n")]
        tables = tuple(_table(part) for part in parts if part.startswith("|"))
        notes = tuple(part for part in parts if part and not part.startswith("|"))
        yield name, Measured(document, tables, notes)


def _table(text: str) -> Table:
    lines = [line for line in text.splitlines() if not RULE.fullmatch(line)]
    head, *rows = [tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
                   for line in lines]  # fmt: skip
    return Table(head, tuple(rows))


def table_of(blocks: Mapping[str, Measured], name: str, number: int = 0) -> Table | None:
    """A table of a block; None = the benchmark has written none."""
    block = blocks.get(name)
    return block.tables[number] if block and len(block.tables) > number else None

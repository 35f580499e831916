"""What every reader of a team's table shares: its parts, the names that it may have, its errors."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from contracts.params import RESERVED
from pipeline.frames import DatasetError

SHOWN = 5
LONGEST_NAME = 200
# pandas writes a frame's index under such names; it is no column of the team's table.
PANDAS_INDEX = "__index_level_"


@dataclass(frozen=True)
class Part:
    """One file or query: its columns, and how to read its rows in bounded memory.

    `notes` say what was left out of it and why, for a person to read.
    """

    name: str
    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]
    notes: tuple[str, ...] = ()


def check_names(names: Sequence[str], where: str) -> None:
    """Refuse names that cannot be a table's columns.

    Raises:
        DatasetError: there is none, one is empty, too long or the product's own, or occurs twice.
    """
    if not names:
        raise DatasetError(f"{where}: has no column")
    unnamed = [i + 1 for i, name in enumerate(names) if not name.strip()]
    if unnamed:
        raise DatasetError(f"{where}: columns {unnamed[:SHOWN]} have no name; give them one")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DatasetError(f"{where}: column names occur twice: {twice[:SHOWN]}; rename them")
    ours = [name for name in names if name.startswith(RESERVED)]
    if ours:
        raise DatasetError(
            f"{where}: names that begin with {RESERVED!r} are kept for the product: "
            f"{ours[:SHOWN]}; rename them"
        )
    long = [name[:40] for name in names if len(name) > LONGEST_NAME]
    if long:
        raise DatasetError(f"{where}: names beyond {LONGEST_NAME} characters: {long[:SHOWN]}")


def texts_schema(names: Sequence[str]) -> pa.Schema:
    """Every column as text, so that nothing is lost by guessing types early."""
    return pa.schema([pa.field(name, pa.string()) for name in names])

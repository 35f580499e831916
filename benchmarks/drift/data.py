"""Tables to take windows from: the flights of January to March, and made-up independent rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.profiles import Bins, numeric_bins, text_bins
from contracts.schema import FeatureSchema
from monitoring.faults import Sample

PREPARED, SCHEMA = Path("build/prepared.parquet"), Path("build/schema.json")
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Table:
    """Columns by name, and the day of each row, since 1970.

    Attributes:
        text: names of the columns that hold categories.
    """

    columns: Mapping[str, NDArray[Any]]
    text: frozenset[str]
    days: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.days)

    def take(self, rows: Rows | NDArray[np.bool_]) -> "Table":
        return Table({n: v[rows] for n, v in self.columns.items()}, self.text, self.days[rows])

    def bins(self) -> list[Bins]:
        """Bins with these rows as the reference."""
        return [
            text_bins(name, values) if name in self.text else numeric_bins(name, values)
            for name, values in self.columns.items()
        ]

    @property
    def sample(self) -> Sample:
        return Sample(self.columns, self.days)

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(dict(self.columns))


def flights() -> Table:
    """What the default model learns from: 70,699 flights on 82 days, 16 columns."""
    schema = FeatureSchema.from_json(SCHEMA.read_bytes())
    frame = pd.read_parquet(PREPARED)
    days = frame[schema.timestamp].dt.floor("D").astype("datetime64[s, UTC]").astype(np.int64)
    return Table(
        {name: frame[name].to_numpy() for name in schema.names},
        frozenset(schema.categorical),
        days.to_numpy() // 86_400,
    )


def independent(rows: int, generator: np.random.Generator) -> Table:
    """Independent rows on a single day: ten numbers, two rates, four columns of categories."""
    columns: dict[str, NDArray[Any]] = {
        f"number {i}": generator.normal(size=rows) for i in range(10)
    }
    for share in (0.1, 0.5):
        chosen = (generator.random(rows) < share).astype(int)
        columns[f"rate {share}"] = np.array(["no", "yes"], object)[chosen]
    for size in (3, 10, 30, 100):
        names = np.arange(size).astype(str).astype(object)
        columns[f"{size} categories"] = names[generator.integers(0, size, rows)]
    text = frozenset(name for name in columns if not name.startswith("number"))
    return Table(columns, text, np.zeros(rows, np.int64))

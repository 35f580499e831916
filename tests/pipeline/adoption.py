"""Adopt a small table in a temporary directory."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from contracts.params import Params, load_params
from pipeline.adopt import adopt
from pipeline.adoption.infer import Findings, Wish
from pipeline.prepare import prepare
from pipeline.tables.history import copy_history

TODAY = date(2026, 5, 4)
ROWS = 300


def columns(**more: object) -> pd.DataFrame:
    """A numeric feature `x`, a target `y` that it hints at, and what else is given."""
    random = np.random.default_rng(7)
    x = random.normal(size=ROWS).round(3)
    y = (x + random.normal(size=ROWS) > 0).astype(int)
    return pd.DataFrame({"x": x, "y": y, **more})


def spread(*values: object) -> list[object]:
    """The values over and over, in an order that has nothing to do with `y`."""
    random = np.random.default_rng(3)
    return [values[i] for i in random.integers(len(values), size=ROWS)]


def adopt_frame(
    frame: pd.DataFrame, directory: Path, wish: Mapping[str, object] | None = None, **csv: object
) -> tuple[Params, Findings]:
    """Write a frame as CSV and adopt it."""
    path = directory / "given.csv"
    frame.to_csv(path, **{"index": False, **csv})  # type: ignore[call-overload]
    return adopt_file(str(path), directory, wish)


def adopt_file(
    address: str,
    directory: Path,
    wish: Mapping[str, object] | None = None,
    query: str | None = None,
) -> tuple[Params, Findings]:
    """Adopt what is at an address; stages read what was written, so that nothing is amiss."""
    asked = Wish(**{"target": "y", **(wish or {})})  # type: ignore[arg-type]
    params = directory / "params.yaml"
    random = np.random.default_rng(0)
    found, _ = adopt(address, query, asked, directory / "table", params, TODAY, random)
    read = load_params(params)
    copy_history(directory / "table", directory / "raw.parquet", read.data)
    frame, _ = prepare([pd.read_parquet(directory / "raw.parquet")], read)
    assert len(frame) == found.answer.rows
    return read, found

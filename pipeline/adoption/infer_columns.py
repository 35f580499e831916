"""What one column of a table holds: its kind, how it is read, what is missing, how many differ."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.params import FeatureParams, Kind
from pipeline.adoption.infer_texts import Reading, fits, read_texts
from pipeline.columns import parse_column
from pipeline.frames import DatasetError

SAMPLE_ROWS = 200_000
BATCH_ROWS = 65_536
MOST_ODD = 1000  # distinct texts that the sample did not lead to expect
CONSOLIDATE = 1 << 21


@dataclass(frozen=True)
class Column:
    """A column as it was seen.

    `missing` and `distinct` (without missing) count the whole file; `sample` is of its sampled
    rows, typed as pipeline/columns.parse_column types it; `blank` are missing without a mark;
    `low` and `high` are the sample's.
    """

    name: str
    reading: Reading
    rows: int
    missing: int
    distinct: int
    blank: int
    sample: pd.Series
    typed_boolean: bool = False
    low: str | None = None
    high: str | None = None

    @property
    def kind(self) -> Kind:
        return self.reading.kind

    @property
    def params(self) -> FeatureParams:
        """The column as a feature of params.yaml."""
        how = self.reading
        return FeatureParams(
            kind=how.kind, nullable=self.missing > 0, decimal="," if how.decimal == "," else ".",
            missing=list(how.missing), words=list(how.words), day_first=how.day_first,
        )  # fmt: skip


@dataclass(frozen=True)
class _Scan:
    rows: int
    blank: int
    distinct: int
    sample: pa.Array


def sample_rows(rows: int, random: np.random.Generator) -> np.ndarray:
    """Numbers of at most SAMPLE_ROWS rows, the first and others of the whole file, ascending."""
    if rows <= SAMPLE_ROWS:
        return np.arange(rows)
    return np.append(0, 1 + np.sort(random.choice(rows - 1, SAMPLE_ROWS - 1, replace=False)))


def examine(table: Path, name: str, rows: np.ndarray) -> Column:
    """Look at one column: at a sample for its kind, at all of it for what contradicts that.

    Args:
        table: Parquet.
        rows: as `sample_rows`.
    """
    seen = _scan(table, name, rows)
    if not pa.types.is_string(seen.sample.type):
        return _typed(name, seen)
    distinct, counts = _distinct(seen.sample)
    reading = read_texts(distinct, counts)
    odd = _odd_texts(table, name, reading)
    if odd:
        # The sample is completed with what it missed, once; what then is odd is a mark of missing.
        texts = pa.array(sorted(set(odd) - set(distinct.to_pylist())), pa.string())
        both = pa.concat_arrays([distinct, texts])
        reading = read_texts(both, np.append(counts, np.ones(len(texts), np.int64)))
    marked = [text for text in reading.missing if text in odd]
    missing = seen.blank + sum(odd[text] for text in marked)
    column = Column(
        name, reading, seen.rows, missing, seen.distinct - len(marked), seen.blank, pd.Series()
    )
    return _with_sample(column, seen.sample)


def texts_of(table: Path, name: str) -> Counter[str]:
    """How often each text of a column occurs, whatever its type; for columns of few."""
    counts: Counter[str] = Counter()
    for part in _parts(table, name):
        distinct, found = _distinct(part)
        values = distinct.to_pylist()
        counts.update(dict(zip(map(str, values), found.tolist(), strict=True)))
    return counts


def sampled_texts(table: Path, name: str, rows: np.ndarray) -> list[str | None]:
    """The texts of a column's sampled rows, spelled as `texts_of` spells them."""
    values = _scan(table, name, rows).sample.to_pylist()
    return [None if value is None else str(value) for value in values]


def _parts(table: Path, name: str) -> Iterator[pa.Array]:
    """The column in batches; texts stripped, blank ones and NaN as null."""
    file = pq.ParquetFile(table)
    # A dot in a name reads as a path, so that more columns than the one may come.
    for batch in file.iter_batches(BATCH_ROWS, columns=[name]):
        part = batch.column(batch.schema.get_field_index(name))
        if pa.types.is_string(part.type):
            part = pc.utf8_trim_whitespace(part)
            part = pc.if_else(pc.equal(part, ""), pa.scalar(None, part.type), part)
        elif pa.types.is_floating(part.type):
            part = pc.if_else(pc.is_nan(part), pa.scalar(None, part.type), part)
        yield part


def _scan(table: Path, name: str, rows: np.ndarray) -> _Scan:
    start, blank, samples = 0, 0, []
    hashes: list[np.ndarray] = []
    limit = CONSOLIDATE
    for part in _parts(table, name):
        first, last = np.searchsorted(rows, [start, start + len(part)])
        samples.append(part.take(pa.array(rows[first:last] - start)))
        start, blank = start + len(part), blank + part.null_count
        hashes.append(_hashes(part))
        if sum(map(len, hashes)) > limit:
            hashes = [_unique(hashes)]
            limit = max(CONSOLIDATE, 2 * len(hashes[0]))
    return _Scan(start, blank, len(_unique(hashes)), pa.concat_arrays(samples))


def _unique(hashes: list[np.ndarray]) -> np.ndarray:
    """As np.unique, whose hash table is a hundred times slower on millions that all differ."""
    ascending = np.sort(np.concatenate(hashes))
    first = np.ones(len(ascending), bool)
    first[1:] = ascending[1:] != ascending[:-1]
    return np.asarray(ascending[first])


def _hashes(part: pa.Array) -> np.ndarray:
    """uint64 of the distinct values: eight bytes each, whatever their length."""
    distinct = pc.unique(part.drop_null())
    if pa.types.is_timestamp(distinct.type) or pa.types.is_boolean(distinct.type):
        distinct = distinct.cast(pa.int64())
    values = distinct.to_numpy(zero_copy_only=False)
    return np.asarray(pd.util.hash_array(values, categorize=False))


def _distinct(part: pa.Array) -> tuple[pa.Array, np.ndarray]:
    found = pc.value_counts(part.drop_null())
    return found.field("values"), found.field("counts").to_numpy()


def _odd_texts(table: Path, name: str, reading: Reading) -> Counter[str]:
    """Texts of the whole column that do not look as the reading expects, at most MOST_ODD."""
    odd: Counter[str] = Counter()
    if reading.kind == "categorical":
        return odd
    for part in _parts(table, name):
        distinct, counts = _distinct(part)
        wrong = ~fits(distinct, reading)
        texts = distinct.filter(pa.array(wrong)).to_pylist()
        odd.update(dict(zip(texts, counts[wrong].tolist(), strict=True)))
        if len(odd) > MOST_ODD:
            break
    return odd


def _typed(name: str, seen: _Scan) -> Column:
    """A column whose type says its kind; whole floats are measurements too."""
    kind: Kind = "numeric"
    if pa.types.is_boolean(seen.sample.type):
        kind = "boolean"
    elif pa.types.is_integer(seen.sample.type):
        kind = "integer"
    elif pa.types.is_timestamp(seen.sample.type):
        kind = "datetime"
    boolean = kind == "boolean"
    column = Column(
        name, Reading(kind), seen.rows, seen.blank, seen.distinct, seen.blank, pd.Series(), boolean
    )
    return _with_sample(column, seen.sample)


def _with_sample(column: Column, sample: pa.Array) -> Column:
    values = sample.to_pandas()
    try:
        typed = parse_column(values, column.name, column.params)
    except DatasetError as error:
        # It looks like its kind and is not, as 2021-02-30: its texts are categories then.
        reading = Reading("categorical", note=str(error))
        column = replace(column, reading=reading, missing=column.blank)
        typed = parse_column(values, column.name, column.params)
    low, high = _range(typed, column.kind)
    return replace(column, sample=typed, low=low, high=high)


def _range(typed: pd.Series, kind: Kind) -> tuple[str | None, str | None]:
    known = typed.dropna()
    if known.empty or kind in ("categorical", "boolean"):
        return None, None
    if kind == "datetime":
        return str(known.min().date()), str(known.max().date())
    return f"{known.min():.6g}", f"{known.max():.6g}"

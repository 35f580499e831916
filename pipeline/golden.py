"""Which rows of the original table are set aside for ever, to judge every later model on.

Outcomes come through the API, and whoever sends them can poison what a retrain learns and what it
is judged on. These rows cannot be reached from there: they are of the table that a person brought,
no model learns from them, and bundles hand them on unchanged (docs/adr/0029).
"""

import numpy as np
import pandas as pd

from contracts.params import Data, Golden
from contracts.schema import BLOCK, GROUP

# Fewer blocks than this judge nothing; the table is too short to set any aside.
LEAST_BLOCKS = 5


def golden_rows(original: pd.DataFrame, data: Data) -> np.ndarray:
    """bool (n,): True for the rows of the blocks that are set aside.

    Blocks are whole days where rows are split by time, groups where they are grouped, otherwise
    single rows; the same table gives the same ones, whatever is learned besides.

    Args:
        original: typed rows of the table itself, in its order, without outcomes from elsewhere.
    """
    if data.golden is None:
        return np.zeros(len(original), dtype=bool)
    if data.split == "time":
        chosen = _days(original[data.time_column], data.golden.share)
    elif data.split == "grouped":
        chosen = _least(original[GROUP].to_numpy(object), data.golden.share)
    else:
        chosen = _least(np.arange(len(original), dtype=np.uint64), data.golden.share)
    blocks = _blocks(original[chosen], data)
    return chosen if blocks.nunique() >= LEAST_BLOCKS else np.zeros(len(original), dtype=bool)


def shares_block(rows: pd.DataFrame, golden: pd.DataFrame, data: Data) -> np.ndarray:
    """bool (n,): True for rows that depend on golden ones: they are of the same day or group."""
    if data.split == "time":
        days = golden[data.time_column].dt.floor("D")
        return np.asarray(rows[data.time_column].dt.floor("D").isin(days.unique()))
    if data.split == "grouped":
        return np.asarray(rows[GROUP].isin(golden[GROUP].unique()))
    return np.zeros(len(rows), dtype=bool)


def golden_frame(golden: pd.DataFrame, data: Data, params: Golden) -> pd.DataFrame:
    """What bundles carry: at most `params.rows` of them, BLOCK in place of GROUP."""
    table = golden.assign(**{BLOCK: _blocks(golden, data)}).drop(columns=GROUP, errors="ignore")
    order = np.argsort(_hashes(np.arange(len(table), dtype=np.uint64)), kind="stable")
    kept = table.iloc[np.sort(order[: params.rows])]
    # Outcomes that were typed beside them must not show in their bytes.
    return kept.infer_objects().reset_index(drop=True)


def _days(times: pd.Series, share: float) -> np.ndarray:
    """One day of each run of 1/share days, so that they lie all over the table.

    Runs are counted from 1970: what a longer table adds changes nothing before it.
    """
    run = max(round(1 / share), 1)
    days = ((times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(days=1)).to_numpy(np.int64)
    known, place = np.unique(days, return_inverse=True)
    picked = [_picked(day // run, run) == day for day in known.tolist()]
    return np.array(picked, dtype=bool)[place]


def _picked(number: int, run: int) -> int:
    days = np.arange(number * run, (number + 1) * run)
    return int(days[np.argmin(_hashes(days.astype(np.uint64)))])


def _least(keys: np.ndarray, share: float) -> np.ndarray:
    """Those whose hash lies in the lowest `share` of all hashes."""
    values, place = np.unique(keys, return_inverse=True)
    chosen: np.ndarray = (_hashes(values) < share * 2.0**64)[place]
    return chosen


def _hashes(keys: np.ndarray) -> np.ndarray:
    """uint64 (n,): the same in every process and on every machine."""
    hashes: np.ndarray = pd.util.hash_array(keys)
    return hashes


def _blocks(golden: pd.DataFrame, data: Data) -> pd.Series:
    """int64: which rows depend on each other, as numbers that say nothing else."""
    if data.split == "time":
        codes = pd.factorize(golden[data.time_column].dt.floor("D"))[0]
    elif data.split == "grouped":
        codes = pd.factorize(golden[GROUP])[0]
    else:
        codes = np.arange(len(golden))
    return pd.Series(codes.astype(np.int64), golden.index)

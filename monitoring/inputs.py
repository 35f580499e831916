"""What a window's inputs look like beside those that the champion learned from.

The champion's answers are one more column: among all, theirs tells most often that something has
changed (Rabanser, Günnemann and Lipton 2019, arXiv 1810.11953). They are compared with answers to
rows that the answering models had not learned from; answers to known rows are surer than any other.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.bundle import Bundle
from contracts.monitoring_params import Blocks, DriftParams
from contracts.params import RESERVED
from contracts.profiles import Bins, Profile, add, numeric_bins, text_bins
from contracts.schema import EVENT_TIME, FeatureSchema
from monitoring.drift_state import LISTED, Drift, Limits, assess
from monitoring.faults import Sample, know, look_for_faults
from monitoring.plain_text import plain
from monitoring.recalibration import as_trained
from monitoring.significance import DAYS_ALIKE, judge

_YEAR_DAYS = 365
_SECONDS: dict[Blocks, int] = {"days": 86_400, "hours": 3600}
_ALIKE: dict[Blocks, int] = {"days": DAYS_ALIKE, "hours": 18, "rows": 1}


def judge_inputs(
    bundle: Bundle,
    window: pd.DataFrame,
    params: DriftParams,
    generator: np.random.Generator,
    offsets: Mapping[str, Sequence[float]] | None = None,
) -> Drift:
    """Compare the window's rows with the champion's reference sample.

    Args:
        window: features, EVENT_TIME, VERSION and schema.answers; a feature may be absent.
        generator: deals the windows without a change.
        offsets: of each version of the champion's model; None = the champion's own.
    """
    schema = bundle.schema
    before = pd.read_parquet(io.BytesIO(bundle.files["reference.parquet"]))
    unit = params.blocks or ("rows" if schema.timestamp == EVENT_TIME else "days")
    everything, bins = before, feature_bins(before, schema)
    if params.reference == "same_season":
        before = _of_season(before, schema.timestamp, window[EVENT_TIME], params.season_days)
    past = sample(bins, before, _blocks(before[schema.timestamp], unit))
    rows = sample(bins, window, _blocks(window[EVENT_TIME], unit))
    reference, current = past.profile(bins), rows.profile(bins)
    faults = look_for_faults(know(bins, past, reference), rows)
    own = as_trained(window, schema, offsets or {bundle.version: schema.target.offsets})
    if bundle.answers_unseen and len(own):
        one = _answer_bins(everything, schema)
        bins = [*bins, one]
        blocks = _blocks(before[schema.timestamp], unit)
        reference = add(reference, one, _answers(before, schema), blocks)
        current = add(current, one, _answers(own, schema), _blocks(own[EVENT_TIME], unit))
    test = judge(bins, reference, current, generator,
                 independent_rows=unit == "rows", most_run=_ALIKE[unit])  # fmt: skip
    limits = Limits(params.false_alarm_rate, params.false_discovery_rate, params.least_effect)
    found = assess(test, faults, limits)
    return replace(found, reasons=(*found.reasons, *_unknown(own, schema)))


def _unknown(rows: pd.DataFrame, schema: FeatureSchema) -> list[str]:
    """A sentence for each column, of the first LISTED, that the model has not learned from."""
    names = [
        name
        for name in map(str, rows.columns)
        if name not in schema.names and not name.startswith(RESERVED) and rows[name].notna().any()
    ]
    return [f"{plain(name)}: logged, but the champion does not know it"
            for name in names[:LISTED]]  # fmt: skip


def _of_season(before: pd.DataFrame, timestamp: str, window: pd.Series, days: int) -> pd.DataFrame:
    """Rows within `days` of the year of the window's middle; bins stay those of all rows."""
    if window.empty:
        return before
    middle = pd.DatetimeIndex(window).sort_values()[len(window) // 2]
    away = (before[timestamp].dt.dayofyear - middle.dayofyear).abs().to_numpy()
    near: pd.DataFrame = before[np.minimum(away, _YEAR_DAYS - away) <= days]
    return near


def _answer_bins(reference: pd.DataFrame, schema: FeatureSchema) -> Bins:
    name = "(answer)"
    while name in schema.names:
        name = f"({name})"
    make = text_bins if schema.target.task == "multiclass" else numeric_bins
    return make(name, _answers(reference, schema))


def _answers(rows: pd.DataFrame, schema: FeatureSchema) -> Any:
    """One value a row: the last of two chances, the likeliest of many classes, or the number."""
    found = rows[schema.answers].to_numpy(float)
    if schema.target.task == "multiclass":
        return np.array(schema.target.outputs, object)[found.argmax(axis=1)]
    return found[:, -1]


def feature_bins(reference: pd.DataFrame, schema: FeatureSchema) -> list[Bins]:
    """Of every feature that does not move on by nature, as moments do."""
    return [
        text_bins(f.name, reference[f.name])
        if f.kind == "categorical"
        else numeric_bins(f.name, _numbers(reference[f.name]))
        for f in schema.features
        if f.kind != "datetime"
    ]


def profile(bins: list[Bins], frame: pd.DataFrame, blocks: NDArray[np.int64]) -> Profile:
    """Count the rows of each block; a feature may be absent."""
    return sample(bins, frame, blocks).profile(bins)


def sample(bins: list[Bins], frame: pd.DataFrame, blocks: NDArray[np.int64]) -> Sample:
    """The columns that bins count; a feature may be absent."""
    columns = {one.name: typed_values(one, frame) for one in bins if one.name in frame}
    return Sample(columns, blocks)


def typed_values(one: Bins, frame: pd.DataFrame) -> Any:
    """A column as its bins take it."""
    return _numbers(frame[one.name]) if one.ordered else frame[one.name].to_numpy(object)


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    return pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _blocks(moments: pd.Series, unit: Blocks) -> NDArray[np.int64]:
    if unit == "rows":
        return np.zeros(len(moments), np.int64)
    seconds = moments.astype("datetime64[s, UTC]").astype(np.int64).to_numpy()
    return np.asarray(seconds // _SECONDS[unit])

"""Whether rows that will judge a model are among those that it learns from."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from contracts.params import Params, Severity
from contracts.schema import FeatureSchema, Target
from pipeline.columns import canonical
from pipeline.frames import DatasetError
from pipeline.splits import holdout_rows
from pipeline.validation.findings import Example, Finding, Rule, share
from pipeline.validation.raw_columns import Column
from pipeline.validation.raw_parts import Part, place
from pipeline.validation.rules import level


def overlap_findings(
    questions: np.ndarray,
    answered: np.ndarray,
    target: Column,
    times: Column,
    groups: pd.Series | None,
    params: Params,
    wanted: Mapping[Rule, Severity],
    parts: Sequence[Part],
) -> list[Finding]:
    """Rows of the hold-out that occur identically among the training rows.

    Args:
        questions: uint64 (n,), row hashes of the features.
        answered: uint64 (n,), row hashes of the features and the target.
        groups: of split `grouped`; there, equal rows in several groups are only mentioned.
    """
    if wanted["overlap"] == "off":
        return []
    if params.data.split == "grouped" and groups is not None:
        return _between_groups(answered, groups, parts)
    try:
        held, rest = _split(target, times, params)
    except DatasetError:  # evaluation says it better, and stops
        return []
    asked = held[_among(questions[held], questions[rest])]
    known = held[_among(answered[held], answered[rest])]
    limit = params.validation.max_duplicates
    if share(len(asked), len(held)) <= limit:
        return []
    message = (
        f"{len(asked)} of {len(held)} rows of the hold-out have the features of a training row, "
        f"{len(known)} of them also its target; "
    )
    leaks = share(len(known), len(held)) > limit
    message += (
        "figures of the hold-out will flatter: remove duplicates, or keep them together by data.id "
        "and data.split grouped; a table of few, coarse features may ignore this"
        if leaks
        else "with other targets, so they do not flatter"
    )
    severity = level("overlap", wanted) if leaks else "info"
    shown = known if leaks else asked
    examples = tuple(Example(*place(parts, int(i)), "also in training") for i in np.sort(shown)[:5])
    found = share(len(shown), len(held))
    return [Finding("overlap", severity, None, len(shown), found, message, examples)]


def _among(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.asarray(pd.Series(rows).isin(others))


def _split(target: Column, times: Column, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the hold-out and of the other rows, as evaluation will hold them out."""
    data = params.data
    values: pd.Series = target.values
    if data.task != "regression":
        values = values.map({canonical(label): label for label in data.classes})
    usable = np.flatnonzero((values.notna() & times.values.notna()).to_numpy())
    moments = times.values.dt.tz_localize(None).to_numpy()  # aware ones would become objects
    order = usable[np.argsort(moments[usable], kind="stable")]
    frame = pd.DataFrame({data.target: values.iloc[order].to_numpy(object),
                          data.time_column: times.values.iloc[order].array})  # fmt: skip
    folds = max(2, round(1 / params.evaluate.holdout_share))
    if len(frame) < folds:
        raise DatasetError(f"{len(frame)} rows cannot be split into {folds}")
    schema = FeatureSchema(
        (), Target(data.target, tuple(data.classes), task=data.task), data.time_column
    )
    held = holdout_rows(frame, schema, params)
    return order[held], order[~held]


def _between_groups(
    answered: np.ndarray, groups: pd.Series, parts: Sequence[Part]
) -> list[Finding]:
    pairs = pd.DataFrame({"row": answered, "group": pd.factorize(groups)[0]}).drop_duplicates()
    several = pairs.loc[pairs["row"].duplicated(keep=False), "row"].unique()
    rows = np.flatnonzero(_among(answered, several))
    if not len(rows):
        return []
    message = (
        f"{len(rows)} rows equal a row of another group, target included; only the rows of one "
        "group stay together"
    )
    examples = tuple(Example(*place(parts, int(i)), "also in another group") for i in rows[:5])
    found = share(len(rows), len(answered))
    return [Finding("overlap", "info", None, len(rows), found, message, examples)]

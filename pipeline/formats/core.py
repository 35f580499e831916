"""The numeric core of a model: everything after the texts, as tables that any tensor library runs.

codes and numbers -> columns -> linear layer or trees -> link -> calibration -> answers
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from contracts.bundle import Bundle
from contracts.skops_model import load_model
from pipeline.formats import FormatError
from pipeline.formats.columns import Columns, Numbers, read_columns
from pipeline.formats.tables import Table
from pipeline.formats.trees import (
    Trees,
    read_forest,
    read_hist_gradient_boosting,
    read_lightgbm,
)

Link = Literal["none", "exp", "sigmoid", "softmax"]
MAX_NODES = 2**24  # float32 holds whole numbers up to here, and tables of nodes are float32


@dataclass(frozen=True)
class Linear:
    """x @ weights + bias."""

    weights: NDArray[np.float64]  # (columns, outputs)
    bias: NDArray[np.float64]


@dataclass(frozen=True)
class Sigmoids:
    """Platt's calibration: 1 / (1 + exp(slope * x + shift)) of each output, then shares of 1."""

    slope: NDArray[np.float64]
    shift: NDArray[np.float64]


@dataclass(frozen=True)
class Core:
    """`link` turns raw outputs into answers; a single probability is that of the last class."""

    columns: Columns
    head: Linear | Trees
    link: Link
    calibration: Sigmoids | None


def read_core(bundle: Bundle) -> Core:
    """Translate the bundle's scikit-learn model.

    Raises:
        FormatError: a part of it has no translation; the message names it.
    """
    pipeline = load_model(bundle.files["model.skops"])
    columns = read_columns(pipeline.named_steps["columns"], bundle.schema)
    model, calibration = _uncalibrated(pipeline.named_steps["model"])
    head, link = _read_head(model)
    # A calibrator takes decision_function where there is one: the outputs before the link.
    if calibration is not None and hasattr(model, "decision_function"):
        link = "none"
    if isinstance(head, Linear):
        ordered: Linear | Trees = replace(head, weights=head.weights[columns.order])
        return Core(columns, ordered, link, calibration)
    casts = hasattr(model, "estimators_")  # forests compare in float32
    columns, head = _exact_in_float32(columns, head, np.float32 if casts else np.float64)
    return Core(columns, head, link, calibration)


def _uncalibrated(model: Any) -> tuple[Any, Sigmoids | None]:
    if not hasattr(model, "calibrated_classifiers_"):
        return model, None
    if model.method != "sigmoid" or len(model.calibrated_classifiers_) != 1:
        raise FormatError("only sigmoid calibration with ensemble=False has a form in this format")
    calibrated = model.calibrated_classifiers_[0]
    slope = np.array([each.a_ for each in calibrated.calibrators])
    shift = np.array([each.b_ for each in calibrated.calibrators])
    return calibrated.estimator, Sigmoids(slope, shift)


def _read_head(model: Any) -> tuple[Linear | Trees, Link]:
    name = type(model).__name__
    if name not in _HEADS:
        raise FormatError(f"{name} has no form in this format; known are {sorted(_HEADS)}")
    head = _HEADS[name](model)
    outputs = len(head.bias if isinstance(head, Linear) else head.base)
    return head, _link(model, outputs)


def _link(model: Any, outputs: int) -> Link:
    if hasattr(model, "classes_"):
        if hasattr(model, "estimators_"):
            return "none"  # a forest's means are probabilities
        return "sigmoid" if outputs == 1 else "softmax"
    loss = getattr(model, "objective_", getattr(model, "loss", None))  # LightGBM, scikit-learn
    return "exp" if loss in ("poisson", "gamma", "tweedie") else "none"


def _read_linear(model: Any) -> Linear:
    weights = np.atleast_2d(model.coef_).T
    return Linear(weights, np.broadcast_to(np.atleast_1d(model.intercept_), weights.shape[1]))


_HEADS: dict[str, Callable[[Any], Linear | Trees]] = {
    "LogisticRegression": _read_linear,
    "Ridge": _read_linear,
    "RandomForestClassifier": read_forest,
    "RandomForestRegressor": read_forest,
    "HistGradientBoostingClassifier": read_hist_gradient_boosting,
    "HistGradientBoostingRegressor": read_hist_gradient_boosting,
    "LGBMClassifier": read_lightgbm,
    "LGBMRegressor": read_lightgbm,
}


def _exact_in_float32(columns: Columns, trees: Trees, dtype: type) -> tuple[Columns, Trees]:
    """The same decisions by comparisons in float32.

    A number from the float matrix is float32 already: its threshold is rounded down. A table
    holds few values, which float32 might not tell apart: their ranks take their place.
    """
    if len(trees.feature) > MAX_NODES:
        raise FormatError(f"{len(trees.feature)} nodes of trees are too many; take a smaller model")
    place = np.empty(len(columns.order), np.int64)
    place[columns.order] = np.arange(len(columns.order))
    feature = place[trees.feature]
    threshold = round_down(trees.threshold).astype(np.float64)
    parts: list[Numbers | Table] = []
    start = 0
    for part in columns.parts:
        if isinstance(part, Table):
            ranks = np.empty(part.values.shape)
            for i, column in enumerate(part.values.astype(dtype).T):
                distinct, ranks[:, i] = np.unique(column, return_inverse=True)
                own = feature == start + i
                below = np.searchsorted(distinct, trees.threshold[own], side="right")
                threshold[own] = below - 0.5
            part = replace(part, values=ranks)
        parts.append(part)
        start += part.width
    return replace(columns, parts=tuple(parts)), replace(
        trees, feature=feature, threshold=threshold
    )


def round_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above each value: x <= value decides the same for float32."""
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32)
    above = nearest.astype(np.float64) > values
    return np.where(above, np.nextafter(nearest, np.float32(-np.inf)), nearest)

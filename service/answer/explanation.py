"""What each feature contributed to one answer, by SHAP. Runs in a process of its own.

answer/explain.py starts that process; nothing else imports this module, for shap, pandas and
numba cost seconds and much memory to import.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import shap
from numpy.typing import NDArray

from contracts.bundle import Bundle, Model, load_bundle
from contracts.bundle_files import BundleError
from contracts.params import ClassLabel
from contracts.schema import FeatureSchema, FloatMatrix, TextMatrix

BACKGROUND_ROWS = 100
# Up to here every combination of known and unknown features is tried; it costs 2 to their number.
EXACT_FEATURES = 8
EVALUATIONS = 500  # of the whole background, where not every combination is tried

Codes = NDArray[np.float64]


@dataclass(frozen=True)
class Version:
    """A model version, and the rows that stand for what a feature might have been instead."""

    schema: FeatureSchema
    model: Model
    numeric: FloatMatrix  # (background rows, matrix columns)
    text: TextMatrix  # (background rows, categorical features)


def load_version(bundles: Path, version: str) -> Version:
    """The version as it was registered, whoever is champion today.

    Raises:
        BundleError: its bundle is not there, or not whole.
    """
    bundle = load_bundle(bundles / version)
    if bundle.version != version:
        raise BundleError(f"{bundles / version} holds {bundle.version}")
    return prepare_version(bundle)


def prepare_version(bundle: Bundle) -> Version:
    """Load the model and draw the background: the same rows for every answer of a version."""
    reference = pd.read_parquet(io.BytesIO(bundle.files["reference.parquet"]))
    rng = np.random.default_rng(crc32(bundle.version.encode()))
    picked = np.sort(rng.permutation(len(reference))[:BACKGROUND_ROWS])
    schema = bundle.schema
    return Version(schema, bundle.model(), *schema.to_matrices(reference.iloc[picked]))


def warm_up() -> None:
    """Have shap compile what it compiles at its first use: seconds that no row should wait for."""
    for size in (EXACT_FEATURES, EXACT_FEATURES + 1):
        _shapley(lambda codes: codes.sum(axis=1), np.arange(2.0 * size).reshape(2, size), 0)


def explain(
    version: Version,
    features: Mapping[str, Any],
    prediction: ClassLabel | float,
    prediction_id: str,
) -> dict[str, Any]:
    """Shapley values of one row, as JSON types; the same arguments give the same values.

    Args:
        features: the row as it was logged, name -> value or None; datetimes as ISO 8601 text.
        prediction: what was answered; of a multiclass model, the class that is explained.
        prediction_id: seeds the order in which features are tried.

    Returns:
        output, base_value (the mean answer to the background), value (the answer to the row),
        features (name, value, contribution; the largest contribution first), method.
        `base_value` and the contributions add up to `value`.
    """
    schema = version.schema
    row = {name: [features.get(name)] for name in schema.names}
    numeric, text = schema.to_matrices(row)
    numbers = np.concatenate([numeric, version.numeric])
    texts = np.concatenate([text, version.text])
    codes = encode_rows(numbers, texts, schema)
    output = _explained_output(schema, prediction)
    answer = _answer_codes(version.model, numbers, texts, schema, output)
    method, found = _shapley(answer, codes, crc32(prediction_id.encode()))
    contributions = [
        {"name": name, "value": features.get(name), "contribution": float(contribution)}
        for name, contribution in zip(schema.names, found.values[0], strict=True)
    ]
    return {
        "output": _describe_output(schema, output),
        "base_value": float(np.ravel(found.base_values)[0]),
        "value": float(answer(codes[:1])[0]),
        "features": sorted(contributions, key=lambda each: -abs(each["contribution"])),
        "method": method,
    }


def encode_rows(numbers: FloatMatrix, texts: TextMatrix, schema: FeatureSchema) -> Codes:
    """One number for each feature of each row, whatever its kind: float64 (n, features).

    The number is that of the first row with the same value. So a datetime's two columns stay
    together, texts become numbers, and a missing value equals a missing value.
    """
    codes = np.empty((len(numbers), len(schema.names)))
    places = _unit_of_columns(schema)
    for unit, name in enumerate(schema.names):
        if name in schema.categorical:
            keys = texts[:, schema.categorical.index(name)].tolist()
        else:
            keys = [row.tobytes() for row in numbers[:, places == unit]]
        first: dict[Any, int] = {}
        codes[:, unit] = [first.setdefault(key, i) for i, key in enumerate(keys)]
    return codes


def _unit_of_columns(schema: FeatureSchema) -> NDArray[np.intp]:
    """(matrix columns,): the number of the feature that each column of the float matrix is of."""
    names = [*schema.numeric, *(name for name in schema.datetimes for _ in range(2))]
    return np.array([schema.names.index(name) for name in names], dtype=np.intp)


def _answer_codes(
    model: Model, numbers: FloatMatrix, texts: TextMatrix, schema: FeatureSchema, output: int
) -> Callable[[Codes], NDArray[np.float64]]:
    """The model as a function of codes (m, features): one output, float64 (m,)."""
    columns = _unit_of_columns(schema)
    words = np.array([schema.names.index(name) for name in schema.categorical], dtype=np.intp)

    def answer(codes: Codes) -> NDArray[np.float64]:
        rows = codes.astype(np.intp)
        numeric = numbers[rows[:, columns], np.arange(len(columns))]
        text = texts[rows[:, words], np.arange(len(words))]
        return model.answers(numeric, text)[:, output].astype(np.float64)

    return answer


def _shapley(
    answer: Callable[[Codes], NDArray[np.float64]], codes: Codes, seed: int
) -> tuple[str, Any]:
    """Explain the first row against the others."""
    size = codes.shape[1]
    masker = shap.maskers.Independent(codes[1:], max_samples=BACKGROUND_ROWS)
    if size <= EXACT_FEATURES:
        return "shap exact", shap.explainers.Exact(answer, masker)(codes[:1], silent=True)
    explainer = shap.explainers.Permutation(answer, masker, seed=seed)
    evaluations = max(EVALUATIONS, 2 * size + 1)
    return "shap permutation", explainer(codes[:1], max_evals=evaluations, silent=True)


def _explained_output(schema: FeatureSchema, prediction: ClassLabel | float) -> int:
    """The column of Model.answers that is explained."""
    if schema.target.task == "multiclass":
        return [str(label) for label in schema.target.classes].index(str(prediction))
    return len(schema.target.outputs) - 1


def _describe_output(schema: FeatureSchema, output: int) -> dict[str, Any]:
    target = schema.target
    if target.task == "regression":
        return {"name": target.name, "kind": "value"}
    return {"name": target.name, "kind": "probability", "class": target.classes[output]}

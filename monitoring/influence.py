"""How much the champion's answers hang on each feature: which columns of a window matter."""

import io

import numpy as np
import pandas as pd

from contracts.bundle import Bundle
from contracts.bundle_files import BundleError
from contracts.schema import FeatureSchema

ROWS, FEWEST_ROWS = 1000, 100
BUDGET = 500_000  # rows answered in all: wide tables get fewer of them per feature


def measure_influence(bundle: Bundle, generator: np.random.Generator) -> dict[str, float]:
    """Mean change of the answers when one feature's values are shuffled, largest first.

    Like permutation importance (Breiman 2001), but of answers, so that it needs no outcomes.
    Features that say the same share their influence.

    Args:
        generator: picks rows of the bundle's reference sample, and shuffles.

    Returns:
        Feature -> change of a probability, or of a value; empty if this process lacks the libraries
        that answer (a model that is served from skops).
    """
    schema = bundle.schema
    try:
        model = bundle.model()
    except BundleError:
        return {}
    reference = pd.read_parquet(io.BytesIO(bundle.files["reference.parquet"]))
    rows = int(np.clip(BUDGET // len(schema.names), FEWEST_ROWS, ROWS))
    sample = reference.iloc[generator.permutation(len(reference))[:rows]]
    numeric, text = schema.to_matrices(sample)
    before = model.answers(numeric, text)
    found = {}
    for name in schema.names:
        which, columns = place_of(name, schema)
        matrix = (numeric, text)[which]
        kept = matrix[:, columns].copy()
        matrix[:, columns] = kept[generator.permutation(len(sample))]
        changed = np.abs(model.answers(numeric, text) - before)
        matrix[:, columns] = kept
        found[name] = round(float(changed.mean()), 6)
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def place_of(name: str, schema: FeatureSchema) -> tuple[int, list[int]]:
    """Which of the two matrices holds a feature, and in which columns; a datetime has two."""
    if name in schema.categorical:
        return 1, [schema.categorical.index(name)]
    if name in schema.datetimes:
        at = len(schema.numeric) + 2 * schema.datetimes.index(name)
        return 0, [at, at + 1]
    return 0, [schema.numeric.index(name)]

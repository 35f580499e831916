"""What each column is worth to the champion: the loss that its values save.

That of the answers with the column's values drawn from the reference instead, less that of the
answers as they are (permutation importance, Breiman 2001), on outcomes it has not learned from.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.bundle import Model
from contracts.losses import row_losses
from contracts.schema import FeatureSchema
from monitoring.influence import place_of

MOST_ROWS = 2000  # answered once more for each column

Matrix = NDArray[np.float64]


def measure_worth(
    model: Model,
    schema: FeatureSchema,
    columns: Sequence[str],
    labelled: tuple[pd.DataFrame, Matrix],
    reference: pd.DataFrame,
    generator: np.random.Generator,
) -> dict[str, float]:
    """Loss a row that each column saves; below zero = answers are better without it.

    Args:
        labelled: rows of features, and their truths, (n,) as Target.truths; MOST_ROWS of them are
            looked at.
        reference: features.
    """
    kept = generator.permutation(len(labelled[0]))[:MOST_ROWS]
    rows, truths = labelled[0].iloc[kept], labelled[1][kept]
    matrices = schema.to_matrices(rows)
    donors = schema.to_matrices(reference.iloc[generator.integers(0, len(reference), len(rows))])
    task = schema.target.task
    usual = row_losses(task, truths, model.answers(*matrices).astype(float)).mean()
    worth = {}
    for name in columns:
        which, places = place_of(name, schema)
        own = matrices[which][:, places].copy()
        matrices[which][:, places] = donors[which][:, places]
        without = row_losses(task, truths, model.answers(*matrices).astype(float)).mean()
        matrices[which][:, places] = own
        worth[name] = round(float(without - usual), 5)
    return worth

"""Texts as codes, for models that take numbers only, and the proof that nothing is lost."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.bundle import Bundle
from pipeline.formats import FormatError
from pipeline.formats.tables import UNSEEN, Vocabularies

ROWS = 1000
TOLERANCE = 1e-4  # of an answer below 1; larger ones by their size

Answer = Callable[[NDArray[np.float32], NDArray[np.int32]], NDArray[np.float32]]


def describe_codes(vocabularies: Vocabularies) -> dict[str, Any]:
    """The code of each known text by feature, and that of all others."""
    codes = {
        name: {text: code for code, text in enumerate(texts, start=1)}
        for name, texts in vocabularies.items()
    }
    return {"categorical": codes, "unseen": UNSEEN}


def encode(texts: NDArray[np.object_], vocabularies: Vocabularies) -> NDArray[np.int32]:
    """int32 (n, categorical features)."""
    tables = describe_codes(vocabularies)["categorical"].values()
    codes = np.empty(texts.shape, np.int32)
    for i, table in enumerate(tables):
        codes[:, i] = [table.get(text, UNSEEN) for text in texts[:, i]]
    return codes


def prove_same(bundle: Bundle, vocabularies: Vocabularies, answer: Answer) -> float:
    """The largest difference from the bundle's model on rows of its reference.

    Raises:
        FormatError: it is above TOLERANCE.
    """
    reference = pd.read_parquet(io.BytesIO(bundle.files["reference.parquet"]))
    rows = reference.iloc[:: max(1, len(reference) // ROWS)].head(ROWS)
    numeric, texts = bundle.schema.to_matrices(rows)
    expected = bundle.model().answers(numeric, texts)
    found = answer(numeric, encode(texts, vocabularies))
    differences = np.abs(found - expected)
    if not (differences <= TOLERANCE * np.maximum(1, np.abs(expected))).all():
        raise FormatError(
            f"the translated model differs by {differences.max():.2g} from the bundle's, so it "
            "was not written; take onnx, skops, joblib or pickle"
        )
    return float(differences.max())

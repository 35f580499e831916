"""A classifier tells rows whose values no longer belong beside each other."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from monitoring.domain import tell_apart

NAMES = ["first", "second", "third"]
SCHEMA = FeatureSchema(
    (*(Feature(name, "numeric", True) for name in NAMES), Feature("kind", "categorical", True)),
    Target("it", (0, 1)),
    EVENT_TIME,
)

Side = tuple[pd.DataFrame, NDArray[np.int64]]


def _rows(seed: int, days: int) -> Side:
    rng = np.random.default_rng(seed)
    first = rng.normal(size=60 * days)
    frame = pd.DataFrame({"first": first, "second": first + rng.normal(0, 0.1, len(first)),
                          "third": rng.normal(size=len(first)),
                          "kind": rng.choice(["a", "b"], len(first))})  # fmt: skip
    return frame, np.repeat(np.arange(days), 60)


@pytest.mark.parametrize("broken", [False, True])
def test_columns_that_no_longer_belong_together_are_told(broken: bool) -> None:
    (window, days), rng = _rows(1, 6), np.random.default_rng(0)
    if broken:
        window = window.assign(second=rng.permutation(window["second"]))
    found = tell_apart(SCHEMA, SCHEMA.names, _rows(0, 24), (window, days), rng)

    assert found is not None
    assert (found.auc > found.usual + 0.1) == broken
    assert (set(list(found.columns)[:2]) == {"first", "second"}) == broken
    assert f"{found.auc:.2f}" in str(found)


def test_an_absent_column_and_an_unseen_category_are_told_as_well() -> None:
    window, days = _rows(1, 6)
    window = window.drop(columns="third").assign(kind="new")
    found = tell_apart(SCHEMA, SCHEMA.names, _rows(0, 24), (window, days), np.random.default_rng(0))

    assert found is not None
    assert found.auc > 0.95


def test_too_few_days_tell_nothing() -> None:
    random = np.random.default_rng(0)

    assert tell_apart(SCHEMA, SCHEMA.names, _rows(0, 24), _rows(1, 2), random) is None
    assert tell_apart(SCHEMA, [], _rows(0, 24), _rows(1, 6), random) is None


def test_a_column_without_any_value_is_passed_over() -> None:
    (window, days), (before, past) = _rows(1, 6), _rows(0, 24)
    window, before = window.assign(third=np.nan), before.assign(third=np.nan)
    found = tell_apart(
        SCHEMA, SCHEMA.names, (before, past), (window, days), np.random.default_rng(0)
    )

    assert found is not None
    assert "third" not in found.columns

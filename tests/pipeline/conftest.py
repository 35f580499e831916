"""A small, real excerpt of the flights, and what the stages make of it."""

from pathlib import Path

import pandas as pd
import pytest

from contracts.params import Params, load_params
from contracts.schema import FeatureSchema
from pipeline import flights
from pipeline.describe import infer_schema
from pipeline.prepare import prepare
from pipeline.search import Chosen

QUICK = {
    "iterations": 1,
    "folds": 2,
    "max_rows": 4000,
    "scoring": "neg_log_loss",
    "prefer": "gradient_boosting",
}


@pytest.fixture(scope="session")
def params() -> Params:
    """The shipped params with a search that takes a second."""
    shipped = load_params(Path("params.yaml")).model_dump()
    shipped["train"]["search"] = QUICK
    shipped["evaluate"] = {"holdout_days": 7, "folds": 2}
    return Params.model_validate(shipped)


@pytest.fixture(scope="session")
def year() -> pd.DataFrame:
    return flights.read()


@pytest.fixture(scope="session")
def january(year: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Every sixth prepared flight of January: about 4,400 rows."""
    excerpt = year[year.event_time < "2013-02-01"].iloc[::6]
    return prepare([excerpt], params)[0]


@pytest.fixture(scope="session")
def schema(january: pd.DataFrame, params: Params) -> FeatureSchema:
    return infer_schema(january, params)


@pytest.fixture(scope="session", params=["logistic_regression", "gradient_boosting"])
def chosen(request: pytest.FixtureRequest) -> Chosen:
    """Each candidate in turn."""
    values = {"logistic_regression": {"C": 0.1}, "gradient_boosting": {"max_iter": 30}}
    return Chosen(request.param, values[request.param], -0.5, "sigmoid")

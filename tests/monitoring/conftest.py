"""A database in which a real champion has answered real flights, and outcomes have come."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from sqlalchemy import Engine, insert

from contracts.bundle import Bundle, load_bundle, save_bundle
from contracts.database import write_transaction
from contracts.params import Params
from contracts.registry import promote, register
from contracts.schema import FeatureSchema
from contracts.tables import outcomes, predictions
from pipeline.model_file import dump_model
from pipeline.onnx_export import to_onnx
from pipeline.reference import answer_unseen
from pipeline.search import Chosen
from pipeline.train import fit
from tests.migrated import migrated_engine
from tests.pipeline.conftest import january, params, schema, year

__all__ = ["january", "params", "schema", "year"]

FEBRUARY = datetime(2013, 2, 1, tzinfo=UTC)


def _make_ids() -> Iterator[str]:
    """Ids that sort as they were made. Arms and samples are drawn by them: alike in every run."""
    bits = Random(7).getrandbits
    return (str(UUID(int=(n << 80) | bits(80))) for n in count())


@dataclass(frozen=True)
class World:
    """Everything that monitoring looks at."""

    engine: Engine
    bundle: Bundle
    bundles: Path
    reports: Path
    ids: Iterator[str] = field(default_factory=_make_ids)

    def answer(self, flights: pd.DataFrame, *, with_outcomes: bool = True) -> list[str]:
        """Log flights as the service would have; returns their prediction ids."""
        probability = self.bundle.model().answers_of(flights)[:, 1]
        names = self.bundle.schema.names
        logged, known = [], []
        for row, p in zip(flights.to_dict("records"), probability, strict=True):
            at = row["event_time"].to_pydatetime()
            features = {n: None if pd.isna(row[n]) else row[n] for n in names}
            logged.append(
                {"prediction_id": next(self.ids), "predicted_at": at, "event_time": at,
                 "model_version": self.bundle.version, "features": json.dumps(features),
                 "prediction": "0", "probability": float(p)}
            )  # fmt: skip
            if with_outcomes and not pd.isna(row["late"]):
                known.append(self._outcome(logged[-1]["prediction_id"], int(row["late"]), at))
        with write_transaction(self.engine) as connection:
            connection.execute(insert(predictions), logged)
            if known:
                connection.execute(insert(outcomes), known)
        return [row["prediction_id"] for row in logged]

    def correct(self, prediction_id: str, outcome: int) -> None:
        """Append another outcome for the same prediction."""
        with write_transaction(self.engine) as connection:
            connection.execute(insert(outcomes), [self._outcome(prediction_id, outcome, FEBRUARY)])

    @staticmethod
    def _outcome(prediction_id: str, outcome: int, at: datetime) -> dict[str, object]:
        return {"prediction_id": prediction_id, "outcome": json.dumps(outcome),
                "observed_at": at, "recorded_at": at}  # fmt: skip


def blank_page(
    bundle: Bundle,
    window: pd.DataFrame,
    causes: Sequence[str],
    influence: Mapping[str, float],
    page: Path,
) -> dict[str, Any]:
    """Stands in for write_report where a check's page is not asked for: that takes seconds."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.touch()
    return {}


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    january: pd.DataFrame,
    schema: FeatureSchema,
    params: Params,
) -> Path:
    """A bundle that has learned from January."""
    recipe = Chosen("logistic_regression", {"C": 0.1}, -0.5, "sigmoid")
    directory = tmp_path_factory.mktemp("trained") / "bundle"
    return train_bundle(directory, recipe, january, schema, params)


def train_bundle(
    directory: Path, recipe: Chosen, january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> Path:
    """Fit a recipe and save the bundle that a pipeline would."""
    model = fit(recipe, january, schema, params)
    onnx = to_onnx(model, schema)
    reference, unseen = answer_unseen(january, schema, recipe, params)
    files = {
        "schema.json": schema.to_json().encode(),
        "model.onnx": onnx,
        "model.skops": dump_model(model),
        "reference.parquet": reference.to_parquet(),
        "unseen.parquet": unseen.to_parquet(),
        "metrics.json": b"{}",
        "model_card.md": b"# January\n",
        "model_card.html": b"<h1>January</h1>\n",
    }
    times = january.event_time
    facts = {"trained_from": times.min().isoformat(), "trained_until": times.max().isoformat()}
    save_bundle(directory, files, facts)
    return directory


@pytest.fixture
def world(tmp_path: Path, trained: Path) -> Iterator[World]:
    yield from make_world(tmp_path, trained)


def make_world(tmp_path: Path, trained: Path) -> Iterator[World]:
    """A database in which a bundle is champion since February."""
    engine = migrated_engine(f"sqlite:///{tmp_path}/perennial.db")
    version = register(engine, tmp_path / "bundles", trained, FEBRUARY, {})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="test", reason="first", now=FEBRUARY)
    bundle = load_bundle(tmp_path / "bundles" / version)
    yield World(engine, bundle, tmp_path / "bundles", tmp_path / "reports")
    engine.dispose()


@pytest.fixture(scope="session")
def february(year: pd.DataFrame) -> pd.DataFrame:
    """Every fifth flight of February: about 5,000 rows."""
    inside = (year.event_time >= "2013-02-01") & (year.event_time < "2013-03-01")
    return year[inside].iloc[::5].reset_index(drop=True)

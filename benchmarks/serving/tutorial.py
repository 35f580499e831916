"""The service that tutorials teach: FastAPI, pydantic, a scikit-learn pipeline, an ORM session.

One row makes one data frame, one `predict_proba` and one commit. TUTORIAL_BUNDLE names the bundle
whose model.skops is served, TUTORIAL_DATABASE the database.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from fastapi import Depends, FastAPI
from pydantic import BaseModel, create_model
from sqlalchemy import JSON, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from contracts.bundle import load_bundle
from contracts.schema import FeatureSchema
from contracts.skops_model import load_model

TYPES: dict[str, Any] = {"integer": int, "numeric": float, "boolean": bool, "categorical": str,
                         "datetime": datetime}  # fmt: skip


class Base(DeclarativeBase):
    pass


class PredictionRow(Base):
    __tablename__ = "predictions"

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    features: Mapped[dict[str, Any]] = mapped_column(JSON)
    prediction: Mapped[str]
    probability: Mapped[float]


class Answer(BaseModel):
    id: int
    prediction: str
    probability: float


def row_model(schema: FeatureSchema) -> type[BaseModel]:
    """What a request must hold, as one would write it by hand for this table."""
    fields: dict[str, Any] = {
        feature.name: (TYPES[feature.kind] | None, None)
        if feature.nullable
        else (TYPES[feature.kind], ...)
        for feature in schema.features
    }
    return create_model("Row", **fields)


def make_app() -> FastAPI:
    """What `uvicorn --factory` runs."""
    bundle = load_bundle(Path(os.environ["TUTORIAL_BUNDLE"]))
    schema = bundle.schema
    pipeline = load_model(bundle.files["model.skops"])
    engine = create_engine(
        os.environ["TUTORIAL_DATABASE"], connect_args={"check_same_thread": False, "timeout": 30}
    )
    Base.metadata.create_all(engine)
    make_session = sessionmaker(engine)
    app = FastAPI()
    model = row_model(schema)

    def get_session() -> Iterator[Session]:
        with make_session() as session:
            yield session

    @app.post("/predict")
    def predict(
        row: model,  # type: ignore[valid-type]  # made from the schema
        session: Session = Depends(get_session),  # noqa: B008  # FastAPI's way
    ) -> Answer:
        values = row.model_dump()  # type: ignore[attr-defined]  # a model made above
        frame = pd.DataFrame([values])[schema.numeric + schema.categorical]
        probabilities = pipeline.predict_proba(frame)[0]
        best = int(probabilities.argmax())
        logged = PredictionRow(
            created_at=datetime.now(UTC),
            features=values,
            prediction=str(schema.target.classes[best]),
            probability=float(probabilities[best]),
        )
        session.add(logged)
        session.commit()
        return Answer(id=logged.id, prediction=logged.prediction, probability=logged.probability)

    return app

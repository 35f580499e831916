"""Typed, validated params.yaml: what changes a model or a decision and deserves review."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

ClassLabel = int | str
Kind = Literal["numeric", "integer", "categorical"]


class ParamsError(ValueError):
    """params.yaml cannot be used; the message names every key and its problem."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    source: str
    until: date
    timestamp: str
    target: str
    classes: Annotated[list[ClassLabel], Field(min_length=2, max_length=2)]
    min_rows: PositiveInt


class FeatureParams(Section):
    kind: Kind
    nullable: bool = False


class Search(Section):
    iterations: PositiveInt
    folds: Annotated[int, Field(ge=2)]
    max_rows: PositiveInt
    scoring: str
    prefer: str


class Train(Section):
    seed: int
    calibration_folds: Annotated[int, Field(ge=2)]
    search: Search
    candidates: Annotated[dict[str, dict[str, list[float | int]]], Field(min_length=1)]

    @model_validator(mode="after")
    def _preferred_is_a_candidate(self) -> "Train":
        if self.search.prefer not in self.candidates:
            raise ValueError(f"search.prefer is none of {sorted(self.candidates)}")
        return self


class Evaluate(Section):
    holdout_days: PositiveInt
    folds: PositiveInt


class Package(Section):
    reference_rows: PositiveInt
    parity_rows: PositiveInt
    parity_tolerance: Annotated[float, Field(gt=0)]


class Policy(Section):
    min_rows: PositiveInt
    min_outcomes: PositiveInt
    min_outcome_days: PositiveInt
    min_days: Annotated[int, Field(ge=2)]
    cooldown_days: Annotated[int, Field(ge=0)]
    drift_share: Annotated[float, Field(gt=0, le=1)]
    performance_t: float


class Gate(Section):
    min_days: Annotated[int, Field(ge=2)]
    min_rows: PositiveInt
    min_t: float


class Retrain(Section):
    deadline_minutes: PositiveInt


class Monitoring(Section):
    schedule: str
    window_days: PositiveInt
    performance_days: PositiveInt
    max_rows: PositiveInt
    policy: Policy
    gate: Gate
    retrain: Retrain


class Params(Section):
    data: Data
    features: Annotated[dict[str, FeatureParams], Field(min_length=1)]
    train: Train
    evaluate: Evaluate
    package: Package
    monitoring: Monitoring

    @model_validator(mode="after")
    def _features_are_not_answers(self) -> "Params":
        answers = {self.data.target, self.data.timestamp} & self.features.keys()
        if answers:
            raise ValueError(f"target and timestamp cannot be features: {sorted(answers)}")
        return self


def load_params(path: Path) -> Params:
    """Read and validate params.yaml.

    Raises:
        ParamsError: the file is missing, is not YAML, or a key is missing, unknown or wrong.
    """
    try:
        return Params.model_validate(yaml.safe_load(path.read_text()))
    except FileNotFoundError:
        raise ParamsError(f"{path} does not exist; run from the project's root") from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ParamsError(f"{path} cannot be used:\n  " + "\n  ".join(lines)) from None

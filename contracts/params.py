"""Typed, validated params.yaml: what changes a model or a decision and deserves review."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, PositiveInt, ValidationError, model_validator

from contracts.monitoring_params import Monitoring
from contracts.params_section import Section, Share

ClassLabel = int | str
Value = bool | int | float | str | None
Kind = Literal["numeric", "integer", "boolean", "categorical", "datetime"]
Task = Literal["binary", "multiclass", "regression"]
Split = Literal["time", "stratified", "grouped", "shuffled"]
Severity = Literal["off", "warn", "fail"]

# Columns that the product adds to a team's own begin with this.
RESERVED = "__"
# Where a table has no time of its own; a name that no feature may have.
DEFAULT_TIMESTAMP = f"{RESERVED}event_time"


class ParamsError(ValueError):
    """params.yaml cannot be used; the message names every key and its problem."""


class Golden(Section):
    """Rows of the original table that judge every later model and teach none; docs/adr/0029.

    `share`: of the days, groups or rows, see pipeline/golden.py; `rows`: most that bundles carry.
    """

    share: Annotated[float, Field(gt=0, le=0.5)]
    rows: PositiveInt = 20_000


class Data(Section):
    """What a row is, and what is asked of it.

    Without a `timestamp` every row counts as known at midnight (UTC) of `until`.
    """

    source: str
    until: date
    timestamp: str | None = None
    id: str | None = None
    entity: str | None = None  # the feature that names whom a row is about; monitoring/erase.py
    task: Task = "binary"
    target: str
    classes: list[ClassLabel] = []
    ignored_classes: list[ClassLabel] = []
    decimal: Literal[".", ","] = "."  # of the target's texts
    day_first: bool = False  # of the timestamp's texts
    min_rows: PositiveInt
    split: Split = "time"
    golden: Golden | None = None  # none: later models are judged on outcomes alone

    @property
    def time_column(self) -> str:
        """The column of the prepared rows that says when a row became a question."""
        return self.timestamp or DEFAULT_TIMESTAMP

    @model_validator(mode="after")
    def _task_has_its_classes(self) -> "Data":
        needed = {"binary": (2, 2), "multiclass": (3, None), "regression": (0, 0)}[self.task]
        low, high = needed
        if len(self.classes) < low or (high is not None and len(self.classes) > high):
            wanted = f"{low}" if low == high else f"at least {low}"
            raise ValueError(f"classes: {self.task} has {wanted}, not {len(self.classes)}")
        if len({str(each) for each in (*self.classes, *self.ignored_classes)}) < len(
            (*self.classes, *self.ignored_classes)
        ):
            raise ValueError("classes and ignored_classes name a class twice")
        if self.split == "grouped" and self.id is None:
            raise ValueError("split: grouped needs an id, whose rows stay together")
        if self.split == "time" and self.timestamp is None:
            raise ValueError("split: time needs a timestamp")
        if self.split == "stratified" and self.task == "regression":
            raise ValueError("split: stratified needs classes; regression is shuffled")
        return self


class FeatureParams(Section):
    """One feature, and how its texts in the table are read."""

    kind: Kind
    nullable: bool = False
    decimal: Literal[".", ","] = "."
    missing: list[str] = []  # texts that mean missing, besides the empty one
    words: Annotated[list[str], Field(max_length=2)] = []  # boolean: [false, true]
    day_first: bool = False  # datetime: 03/04 is the third of April

    @model_validator(mode="after")
    def _reading_fits_kind(self) -> "FeatureParams":
        if self.words and (self.kind != "boolean" or len(self.words) != 2):
            raise ValueError("words belong to a boolean: [text of false, text of true]")
        if self.day_first and self.kind != "datetime":
            raise ValueError("day_first belongs to a datetime")
        return self


class Validation(Section):
    """What is done when a rule of pipeline/validate.py is broken, and where rules begin to bite."""

    rules: dict[str, Severity] = {}
    max_missing: Share = 0.99
    max_duplicates: Share = 0.01
    max_association: Share = 0.999
    min_class_rows: PositiveInt = 10
    ranges: dict[str, tuple[float | None, float | None]] = {}


class Search(Section):
    strategy: Literal["random", "halving"] = "random"
    iterations: PositiveInt
    folds: Annotated[int, Field(ge=2)]
    max_rows: PositiveInt
    scoring: str
    prefer: str = "simplest"


class Train(Section):
    seed: int
    calibration: Annotated[list[Literal["none", "sigmoid"]], Field(min_length=1)] = ["sigmoid"]
    calibration_folds: Annotated[int, Field(ge=2)]
    max_rows: PositiveInt | None = None  # of the final fit; none: all
    max_one_hot: PositiveInt = 50  # more categories are target encoded, or their rare ones grouped
    min_category_rows: PositiveInt = 5  # rarer categories count as one
    search: Search
    candidates: Annotated[dict[str, dict[str, list[Value]]], Field(min_length=1)]

    @model_validator(mode="after")
    def _preferred_is_a_candidate(self) -> "Train":
        if self.search.prefer not in {"simplest", *self.candidates}:
            raise ValueError(f"search.prefer is none of {['simplest', *sorted(self.candidates)]}")
        return self


class Cost(Section):
    """What a wrong answer costs, in any unit; the threshold of a binary model minimises it."""

    false_positive: Annotated[float, Field(ge=0)]
    false_negative: Annotated[float, Field(ge=0)]


class Evaluate(Section):
    holdout_days: PositiveInt = 28  # split: time
    holdout_share: Annotated[float, Field(gt=0, lt=1)] = 0.2  # any other split
    folds: PositiveInt
    bootstrap: PositiveInt = 500
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9  # of prediction intervals
    cost: Cost | None = None  # none: the threshold of largest F1


class Package(Section):
    reference_rows: PositiveInt
    parity_rows: PositiveInt
    parity_tolerance: Annotated[float, Field(gt=0)]


class Limit(Section):
    min: float | None = None
    max: float | None = None


class Gates(Section):
    """What the pipeline's last stage asks of a bundle; none = not asked."""

    metrics: dict[str, Limit] = {}
    champion_loss: float | None = None
    segment_loss: float | None = None
    calibration_error: float | None = None
    latency_ms: Annotated[float, Field(gt=0)] | None = None
    bundle_mb: Annotated[float, Field(gt=0)] | None = None


class Params(Section):
    data: Data
    features: Annotated[dict[str, FeatureParams], Field(min_length=1)]
    validation: Validation = Validation()
    train: Train
    evaluate: Evaluate
    gates: Gates = Gates()
    package: Package
    monitoring: Monitoring
    # Of `make replay-gate`, which reads it by replay_params.py: its limits change no model.
    replay: dict[str, Any] = {}

    @model_validator(mode="after")
    def _features_are_not_answers(self) -> "Params":
        theirs = {self.data.target, self.data.time_column, self.data.id or self.data.target}
        if answers := theirs & self.features.keys():
            raise ValueError(f"target, timestamp and id cannot be features: {sorted(answers)}")
        if self.data.entity is not None and self.data.entity not in self.features:
            raise ValueError(f"data.entity: {self.data.entity!r} is no feature, so no row holds it")
        if self.monitoring.drift.reference == "same_season" and self.data.timestamp is None:
            raise ValueError("monitoring.drift.reference: same_season needs data.timestamp")
        ours = [name for name in self.features if name.startswith(RESERVED)]
        if ours:
            raise ValueError(f"names that begin with {RESERVED!r} are kept for the product: {ours}")
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

"""The `replay` section of params.yaml: what `make replay-gate` lets pass.

Apart from params.py, which every DVC stage depends on: a limit changes no model.
"""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from contracts.params import ParamsError
from contracts.params_section import Section, Share

Tolerance = Annotated[float, Field(ge=0)]
Ratio = Annotated[float, Field(gt=1)]


class SameModel(Section):
    """Limits where both images carry the same bundle: only their code and libraries differ."""

    flips: Share = 0.0
    shift: Tolerance = 1e-5  # of any row


class AnotherModel(Section):
    """Limits where the candidate was retrained, which honestly moves scores; None = not judged.

    Rough ones: two honest champions a month apart differ as much as by a swapped column
    (docs/deploy/replay-gate.md), which `Replay.serving` finds whatever the model.

    A score is the probability of the positive class, or a regression's value in standard
    deviations of the champion's values; see deploy/replaying/scores.py.
    """

    flips: Share | None = 0.4  # share of rows whose decision differs
    mean_shift: Tolerance | None = 0.12  # of the mean score, either way
    distance: Share | None = 0.45  # Kolmogorov-Smirnov, between both distributions of scores
    segment_shift: Tolerance | None = 0.35  # of the mean score of any segment
    cost: Tolerance | None = 0.1  # loss that it adds, of the champion's, on rows with outcomes


class Segments(Section):
    """Each category of a column, and each quarter of a number."""

    columns: list[str] | None = None  # None = all that both models know
    min_rows: PositiveInt = 50


class Slower(Section):
    """Fails beyond both: `ratio` of the champion's time, and so many milliseconds more."""

    ratio: Ratio
    least_ms: Tolerance


class Latency(Section):
    """One-row requests to each image, in turn."""

    requests: PositiveInt = 500
    p50: Slower = Slower(ratio=1.5, least_ms=1)
    p99: Slower = Slower(ratio=3, least_ms=50)


class Memory(Section):
    """Fails beyond both: `ratio` of the champion's peak, and so many megabytes more."""

    ratio: Ratio = 1.5
    least_mb: Tolerance = 50


class Replay(Section):
    """What a candidate's image may change of the answers to logged rows."""

    rows: PositiveInt = 5000  # newest rows in a snapshot
    min_rows: PositiveInt = 100  # fewer that both could be asked: not compared
    failed: Annotated[int, Field(ge=0)] = 0  # rows that only the candidate cannot answer
    serving: Tolerance = 1e-5  # between what the image answers and what its own bundle does
    worst: PositiveInt = 10  # rows that are named
    same_model: SameModel = SameModel()
    another_model: AnotherModel = AnotherModel()
    segments: Segments = Segments()
    latency: Latency = Latency()
    memory: Memory = Memory()
    start_seconds: PositiveFloat = 60


def load_replay(path: Path) -> Replay:
    """Read and validate the section; what it does not say has defaults.

    Raises:
        ParamsError: the file is missing, is not YAML, or a key is unknown or wrong.
    """
    try:
        content = yaml.safe_load(path.read_text())
        return Replay.model_validate((content or {}).get("replay", {}))
    except FileNotFoundError:
        raise ParamsError(f"{path} does not exist; run from the project's root") from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from None
    except ValidationError as error:
        lines = [f"replay.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ParamsError(f"{path} cannot be used:\n  " + "\n  ".join(lines)) from None

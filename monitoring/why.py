"""Why a prediction is what it is: its row, its model, what that came from, and the answer again.

`python -m monitoring.why PREDICTION_ID` ends with 1 if the model does not answer the same again.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select

from contracts.bundle import RECALIBRATES, UPDATE, UPDATES, Bundle
from contracts.database import make_engine
from contracts.lineage import RETIRED, facts_of
from contracts.migrate import require_current
from contracts.schema import FeatureSchema
from contracts.settings import Settings
from contracts.tables import checks, outcomes, predictions
from monitoring.bundles import GoneError, load_again
from monitoring.check import REFUSALS

# Of a probability, or of a regression's value relative to itself: rows that are answered together
# may differ from the same rows alone in the last bit.
TOLERANCE = 1e-5


class UnknownPredictionError(LookupError):
    """The database has no such row."""

    def __init__(self, prediction_id: str) -> None:
        super().__init__(
            f"no prediction has the id {prediction_id!r}; rows that wait in the service's spool "
            "are not in the database yet"
        )


@dataclass(frozen=True)
class Reasons:
    """Everything that is known of one prediction.

    Attributes:
        row: of predictions; `history`: of outcomes, the last one counts.
        check: of checks, the first whose window has the row; None = not checked yet.
        made: when, where and from which commit the bundle was made.
        bundle: None = its files were removed; then `gone` says when, and nothing is answered.
        bundle_digest: SHA-256 of its manifest.
        again: what the model answers now, in the order of Target.outputs.
        same: whether that is what was logged.
    """

    row: Row[Any]
    history: list[Row[Any]]
    check: Row[Any] | None
    made: dict[str, Any]
    bundle: Bundle | None
    bundle_digest: str
    gone: str
    again: list[float]
    same: bool


def find_reasons(connection: Connection, bundles: Path, prediction_id: str) -> Reasons:
    """Read all that belongs to a prediction, and answer it again.

    Raises:
        UnknownPredictionError: see there.
        BundleError: the version's bundle is damaged, or gone without a word.
    """
    query = select(predictions).where(predictions.c.prediction_id == prediction_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownPredictionError(prediction_id)
    bundle, sha256, gone, again = None, "", "", []
    try:
        bundle, sha256 = load_again(connection, bundles, row.model_version)
        again = answer_again(bundle, json.loads(row.features))
    except GoneError as error:
        gone = str(error)
    return Reasons(
        row,
        _history(connection, prediction_id),
        _check(connection, row),
        facts_of(connection, row.model_version),
        bundle,
        sha256,
        gone,
        again,
        bundle is not None and is_same(bundle.schema, row, again),
    )


def answer_again(bundle: Bundle, features: dict[str, Any]) -> list[float]:
    """What the bundle's model answers to one row."""
    columns = {name: np.array([features[name]], object) for name in bundle.schema.names}
    answers: list[float] = bundle.model().answers_of(columns)[0].tolist()
    return answers


def is_same(schema: FeatureSchema, row: Row[Any], again: list[float]) -> bool:
    """Whether the logged answer is that of the model."""
    target = schema.target
    logged = json.loads(row.prediction)
    if target.task == "regression":
        return abs(again[0] - float(logged)) <= TOLERANCE * max(1.0, abs(float(logged)))
    if target.task == "binary":
        return logged in target.classes and abs(again[1] - float(row.probability)) <= TOLERANCE
    chances = json.loads(row.scores)
    return all(abs(a - b) <= TOLERANCE for a, b in zip(again, chances, strict=True))


def describe(reasons: Reasons) -> Iterator[str]:
    """Lines for a person."""
    row = reasons.row
    yield f"prediction {row.prediction_id}"
    yield f"  asked of         {row.event_time:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  answered at      {row.predicted_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  answer           {row.prediction}{_chance(row)}"
    yield f"  outcome          {_outcome(reasons.history)}"
    yield "features"
    yield from (f"  {name:16} {value}" for name, value in json.loads(row.features).items())
    yield f"version {row.model_version}"
    yield f"  git commit       {reasons.made.get('commit', 'unknown')}"
    yield from _bundle(reasons)
    yield f"inputs then        {_inputs(reasons.check)}"
    if reasons.bundle is None:
        yield f"answered again     it cannot be: {reasons.gone}"
        return
    told = "the same" if reasons.same else "NOT what was logged"
    yield f"answered again     {', '.join(f'{each:.6g}' for each in reasons.again)}: {told}"


def _bundle(reasons: Reasons) -> Iterator[str]:
    if reasons.bundle is None:
        return
    manifest = reasons.bundle.manifest
    made = f", made again from {manifest.get(RECALIBRATES)}" if RETIRED in reasons.made else ""
    yield f"  bundle           sha256 {reasons.bundle_digest}, every file verified{made}"
    yield f"  data             sha256 {manifest.get('data', 'unknown')}"
    yield f"  params           sha256 {manifest.get('params', 'unknown')}"
    yield f"  learned from     {manifest['trained_from']} to {manifest['trained_until']}"
    yield from _update(manifest)


def _update(manifest: Mapping[str, Any]) -> Iterator[str]:
    if UPDATES not in manifest:
        return
    learned = manifest[UPDATE]
    yield (
        f"  updated from     {manifest[UPDATES]}, with {learned['rows']} outcomes of "
        f"{learned['from']} to {learned['until']}"
    )
    yield f"  with data        sha256 {learned['data']}"


def _chance(row: Row[Any]) -> str:
    return "" if row.probability is None else f" (probability {row.probability:.6g})"


def _outcome(history: list[Row[Any]]) -> str:
    if not history:
        return "none yet"
    told = f"{history[-1].outcome}, observed {history[-1].observed_at:%Y-%m-%d %H:%M} UTC"
    return told if len(history) == 1 else f"{told}, corrected {len(history) - 1} times"


def _inputs(check: Row[Any] | None) -> str:
    if check is None:
        return "no check has looked at them yet"
    return f"{check.reason} (check {check.check_id}, {check.checked_at:%Y-%m-%d %H:%M} UTC)"


def _history(connection: Connection, prediction_id: str) -> list[Row[Any]]:
    query = select(outcomes).where(outcomes.c.prediction_id == prediction_id)
    return list(connection.execute(query.order_by(outcomes.c.outcome_id)))


def _check(connection: Connection, row: Row[Any]) -> Row[Any] | None:
    holds = (checks.c.window_from <= row.event_time) & (checks.c.window_to > row.event_time)
    query = select(checks).where(holds).order_by(checks.c.checked_at).limit(1)
    return connection.execute(query).one_or_none()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.why", description=__doc__)
    parser.add_argument("prediction_id", metavar="PREDICTION_ID")
    arguments = parser.parse_args()
    settings = Settings()
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        with engine.connect() as connection:
            reasons = find_reasons(connection, settings.bundles_dir, arguments.prediction_id)
    except (*REFUSALS, UnknownPredictionError) as error:
        sys.exit(str(error))
    sys.stdout.write("\n".join(describe(reasons)) + "\n")
    sys.exit(not reasons.same)


if __name__ == "__main__":
    main()

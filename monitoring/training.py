"""Trains a challenger in a working copy: the newest outcomes, then `dvc repro` as anybody would."""

import json
import logging
import os
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from contracts.bundle import copy_bundle
from contracts.schema import FeatureSchema
from monitoring.snapshot import write_snapshot
from monitoring.working_copy import CommandError, WorkingCopy

OUTCOMES, TABLE, CHAMPION = Path("data/outcomes"), Path("data/table"), Path("data/champion")
VERDICT = Path("build/gate.json")
log = logging.getLogger(__name__)


class GateFailedError(RuntimeError):
    """The pipeline's own gate refused the bundle; nothing was registered."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("the pipeline's gate refused it: " + "; ".join(reasons))


def train(
    engine: Engine,
    copy: WorkingCopy,
    champion: Path,
    schema: FeatureSchema,
    until: datetime,
    deadline_seconds: float,
) -> None:
    """Add the snapshot as the only one (it holds every outcome so far) and run the pipeline.

    Args:
        champion: the bundle to lie where the pipeline's own gate compares; not a recalibration,
            whose offsets know outcomes of the very rows on which that gate judges.
        until: later questions are left out: those whose outcomes came first are not like the rest.

    Raises:
        GateFailedError: that gate refused the bundle.
        CommandError: another stage failed.
    """
    copy_bundle(champion, copy.directory / CHAMPION)
    for old in (copy.directory / OUTCOMES).glob("*.parquet.dvc"):
        old.unlink()
    with engine.connect() as connection:
        directory = copy.directory / OUTCOMES
        snapshot = write_snapshot(connection, schema, until, directory)
    copy.run("dvc", "add", "--quiet", str(OUTCOMES / snapshot.name))
    for table in sorted((copy.directory / TABLE).glob("*.dvc")):  # an adopted one
        copy.run("dvc", "checkout", "--quiet", str(TABLE / table.name))
    run_gated(copy, "dvc", "repro", deadline_seconds=deadline_seconds)


def run_gated(copy: WorkingCopy, *command: str, deadline_seconds: float) -> None:
    """Run what ends with the pipeline's gate.

    Raises:
        GateFailedError: that gate refused the bundle.
        CommandError: something else failed.
    """
    try:
        copy.run(*command, deadline_seconds=deadline_seconds)
    except CommandError:
        if failed := _failed_gates(copy.directory / VERDICT):
            raise GateFailedError(failed) from None
        raise


def _failed_gates(path: Path) -> list[str]:
    """Reasons of the pipeline's gate; none where another stage has failed before it."""
    if not path.exists():
        return []
    rules = json.loads(path.read_text())["rules"]
    return [f"{rule['rule']}: {rule['reason']}" for rule in rules if not rule["passed"]]


def track(copy: WorkingCopy, commit: str) -> None:
    """Log the bundle to MLflow where one is named; a store that is down costs no retrain."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        try:
            copy.run("python", "-m", "pipeline.track", "--commit", commit)
        except CommandError as error:
            log.warning("not logged to MLflow: %s", error)

"""Log what training made to MLflow: params, metrics, pages, pictures and the bundle, as one run.

A command of its own after `dvc repro`, not a stage and not a part of one: a stage that is up to
date does not run, so a stage would log nothing where the cache had all, and what a server answers
must change neither a stage's outputs nor dvc.lock. Whoever trains calls it last. A bundle that is
logged already is not logged again, so it may be called as often as one likes.

It does something where MLFLOW_TRACKING_URI is set. That the store cannot be reached never fails a
training: a line on stderr says so.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tqdm import tqdm

from contracts.bundle import Bundle, load_bundle
from contracts.bundle_files import digest
from contracts.params import Params, load_params

if TYPE_CHECKING:  # only where runs are logged
    from mlflow.tracking import MlflowClient

VERSION_TAG = "perennial.version"
SHOWN = {".csv", ".html", ".json", ".md", ".png", ".svg"}
# Limits of MLflow.
BATCH, NAME_LENGTH, PARAM_LENGTH, NOTE_LENGTH = 100, 200, 6000, 5000
# A server that is down is known to be in seconds, and nothing is told to third parties.
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}


class TrackError(RuntimeError):
    """Runs cannot be logged as the environment asks; the message names the remedy."""


def track_run(
    uri: str, build: Path, params: Params, *, experiment: str, commit: str | None, now: datetime
) -> str | None:
    """Log the present state of `build`.

    Args:
        uri: of the tracking server or database, as in MLFLOW_TRACKING_URI.
        build: with the bundle in `bundle`.
        commit: the code's commit.

    Returns:
        The id of the run; None where this bundle is logged already.

    Raises:
        TrackError: mlflow is not installed, or `uri` would be lost with a working copy.
        BundleError: there is no whole bundle.
        Exception: whatever the store's client raises.
    """
    bundle = load_bundle(build / "bundle")
    client = _open_store(uri)
    experiment_id = _find_experiment(client, uri, experiment)
    known = f"tags.`{VERSION_TAG}` = '{bundle.version}' and attributes.status = 'FINISHED'"
    if client.search_runs([experiment_id], known, max_results=1):
        return None
    tags = {
        VERSION_TAG: bundle.version,
        "mlflow.source.git.commit": commit or "",
        "mlflow.source.name": "dvc repro",
        "mlflow.note.content": bundle.files["model_card.md"].decode()[:NOTE_LENGTH],
    }
    start = int(now.timestamp() * 1000)
    run = client.create_run(experiment_id, start, tags, run_name=bundle.version)
    run_id = str(run.info.run_id)
    try:
        _log(client, run_id, build, params, bundle, start)
    except BaseException:
        with suppress(Exception):  # what went wrong first is what counts
            client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    return run_id


def _open_store(uri: str) -> "MlflowClient":
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_absolute():
        raise TrackError(
            "a relative database would be lost with a retrain's working copy; write four slashes "
            "and an absolute path in MLFLOW_TRACKING_URI"
        )
    try:
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as error:
        raise TrackError(f"{error.name} is missing; install requirements/extras.txt") from None
    return MlflowClient(tracking_uri=uri)


def _find_experiment(client: "MlflowClient", uri: str, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    place = None  # the server knows
    if uri.startswith("sqlite:///"):  # beside the database; MLflow would take where we run
        place = Path(uri.removeprefix("sqlite:///")).with_suffix(".artifacts").as_uri()
    return str(client.create_experiment(name, place))


def _log(
    client: "MlflowClient", run_id: str, build: Path, params: Params, bundle: Bundle, time: int
) -> None:
    from mlflow.entities import Metric, Param

    said = params.model_dump(mode="json", exclude_unset=True)
    unique = dict(flatten_params(said))  # a param may be told once
    lines = [Param(key, value[:PARAM_LENGTH]) for key, value in unique.items()]
    for start in range(0, len(lines), BATCH):
        client.log_batch(run_id, params=lines[start : start + BATCH])
    metrics = [Metric(key, value, time, 0) for key, value in flatten_metrics(bundle.metrics)]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH])
    for path in tqdm(list(_files(build)), desc="track", unit="file"):
        place = Path("build", path.relative_to(build)).parent
        client.log_artifact(run_id, str(path), place.as_posix())


def flatten_params(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested mappings as (dotted name, text); a list is one leaf, in JSON."""
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from flatten_params(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield plain_name(f"{prefix}{key}"), text


def flatten_metrics(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Numbers of nested mappings as (dotted name, number); what is no number stays in its file."""
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            yield from flatten_metrics(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield plain_name(f"{prefix}{key}"), float(value)


def plain_name(name: str) -> str:
    """A name that every store takes: other characters become numbers, long names end early."""
    plain = re.sub(r"[^A-Za-z0-9_.\- ]", lambda found: f"_{ord(found[0]):x}_", name)
    if len(plain) <= NAME_LENGTH:
        return plain
    return f"{plain[:NAME_LENGTH]}...{digest(name.encode())[:8]}"


def _files(build: Path) -> Iterator[Path]:
    """What people read, and all of the bundle."""
    for path in sorted(build.rglob("*")):
        inside = path.relative_to(build).parts[0] == "bundle"
        if path.is_file() and (inside or path.suffix in SHOWN):
            yield path


def _commit() -> str | None:
    command = ["git", "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.track",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--build", type=Path, default=Path("build"), help="read")
    parser.add_argument("--commit", help="default: what is checked out")
    parser.add_argument("--strict", action="store_true", help="fail where nothing can be logged")
    arguments = parser.parse_args()
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "perennial"
    try:
        run_id = track_run(
            uri, arguments.build, load_params(arguments.params),
            experiment=experiment, commit=arguments.commit or _commit(), now=datetime.now(UTC),
        )  # fmt: skip
    except Exception as error:  # the job's border: of many clients, and the training is done
        cause = " ".join(str(error).replace(uri, _without_password(uri)).split())[:400]
        sys.stderr.write(f"not logged to MLflow at {_without_password(uri)}: {cause}\n")
        sys.exit(arguments.strict)
    sys.stdout.write(f"MLflow: run {run_id}\n" if run_id else "MLflow: has this bundle already\n")


if __name__ == "__main__":
    main()

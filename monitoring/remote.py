"""Trains a challenger in GitHub Actions: fires the event, follows the run, brings its bundle home.

What is learned and how is .github/workflows/retrain.yml's; the gate and the promotion stay here.
"""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.settings import Settings
from monitoring.github import Github, GithubError, Run, connect
from monitoring.patience import Patience, PatienceLostError

FOLLOW_SECONDS = 10.0
APPEAR_SECONDS = 300.0
MOST_BYTES = 1_000_000_000
BUNDLE, HOLDOUT = Path("bundle"), Path("holdout.parquet")  # in the run's artifact
RUN_URL = "run_url"  # key in a retrain's verdict


@contextmanager
def trained_remotely(
    settings: Settings,
    payload: dict[str, str],
    found: Callable[[str], None],
    patience: Patience,
    poll_seconds: float = FOLLOW_SECONDS,
) -> Iterator[Path]:
    """The directory of what the run made, removed at the end.

    Args:
        payload: `retrain_id`, which the run's name must hold, and what else the workflow reads.
        found: is told the run's address as soon as it is known.

    Raises:
        GithubError: it cannot be started or followed, it failed, or it has left nothing of use.
        PatienceLostError: it was given up; the run is asked to end.
    """
    name = payload["retrain_id"]
    with connect(settings) as http:
        github = Github(http, settings.github_repository, patience)
        github.dispatch(payload)
        run = _appeared(github, name, poll_seconds)
        found(run.url)
        _follow(github, run, poll_seconds)
        directory = settings.work_dir / name
        directory.mkdir(parents=True, exist_ok=True)
        try:
            _bring(github, run, f"retrain-{name}", directory)
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _appeared(github: Github, name: str, poll_seconds: float) -> Run:
    """The run that the event has started; GitHub says nothing of it but its name."""
    end = github.patience.monotonic() + APPEAR_SECONDS
    while (run := github.find_run(name)) is None:
        if github.patience.monotonic() > end:
            raise GithubError(
                f"no run named after {name} has appeared: is .github/workflows/retrain.yml on the "
                "default branch, and are Actions enabled?"
            )
        github.patience.pause(poll_seconds)
    return run


def _follow(github: Github, run: Run, poll_seconds: float) -> None:
    try:
        while run.conclusion is None:
            github.patience.pause(poll_seconds)
            run = github.read_run(run.run_id)
    except PatienceLostError as error:
        asked = "it was asked to end" if github.cancel_run(run.run_id) else "end it there"
        raise PatienceLostError(f"{error}; the run {run.url} goes on: {asked}") from None
    if run.conclusion != "success":
        raise GithubError(f"the run ended with {run.conclusion!r}: {run.url}")


def _bring(github: Github, run: Run, artifact: str, directory: Path) -> None:
    archive = directory / "artifact.zip"
    github.download(run.run_id, artifact, archive, MOST_BYTES)
    try:
        with zipfile.ZipFile(archive) as packed:
            if sum(each.file_size for each in packed.infolist()) > MOST_BYTES:
                raise GithubError(f"the artifact unpacks to more than {MOST_BYTES:,} bytes")
            packed.extractall(directory)  # names are cleaned by zipfile, size is known
    except zipfile.BadZipFile:
        raise GithubError(f"the artifact {artifact!r} is no archive") from None
    for needed in (BUNDLE, HOLDOUT):
        if not (directory / needed).exists():
            raise GithubError(f"the artifact {artifact!r} holds no {needed}")

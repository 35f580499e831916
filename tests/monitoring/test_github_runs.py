"""A run is followed to its end, given up on time, and what it leaves is unpacked with care."""

import io
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from monitoring.github import GithubError
from monitoring.patience import Patience, PatienceLostError, patience
from monitoring.remote import trained_remotely
from tests.monitoring.github_retrains import (
    IGNORED,
    PAYLOAD,
    URL,
    challenger,
    long,
    server,
    settings_of,
)
from tests.monitoring.github_server import REPOSITORY, RUN_ID, Server

__all__ = ["challenger", "server"]


def test_a_run_is_followed_to_its_end(server: Server, tmp_path: Path, challenger: bytes) -> None:
    server.polls, server.archive = 4, challenger
    urls: list[str] = []
    with trained_remotely(
        settings_of(server, tmp_path), PAYLOAD, urls.append, long(), 0.01
    ) as made:
        assert (made / "bundle" / "manifest.json").exists()
        assert urls == [URL]

    assert server.asked.count(f"GET /repos/{REPOSITORY}/actions/runs/{RUN_ID}") == 4
    assert not made.exists()


@pytest.mark.parametrize(
    ("stopped", "why"), [(True, "its process was asked to end"), (False, "took more than")]
)
def test_a_run_that_is_given_up_is_asked_to_end(
    server: Server, tmp_path: Path, stopped: bool, why: str
) -> None:
    server.polls = 10**6
    stop = threading.Event()
    urls: list[str] = []
    if stopped:
        threading.Timer(0.3, stop.set).start()
    short = patience(1 if stopped else 0.01, stop, threading.Event())
    with pytest.raises(PatienceLostError, match=f"{why}.*{URL}.*it was asked to end"):
        with trained_remotely(settings_of(server, tmp_path), PAYLOAD, urls.append, short, 0.01):
            pass

    assert server.asked[-1] == f"POST /repos/{REPOSITORY}/actions/runs/{RUN_ID}/cancel"
    assert urls == [URL]


def test_a_lost_lease_ends_the_waiting(server: Server, tmp_path: Path) -> None:
    server.polls, lost = 10**6, threading.Event()
    lost.set()
    with pytest.raises(PatienceLostError, match="another process has taken its lease"):
        with trained_remotely(
            settings_of(server, tmp_path), PAYLOAD, IGNORED,
            patience(1, threading.Event(), lost), 0.01,
        ):  # fmt: skip
            pass


def test_a_run_that_never_appears_is_told_with_its_likely_causes(
    server: Server, tmp_path: Path
) -> None:
    server.hides_run = True
    clock = iter(range(0, 10**9, 60))
    quick = Patience(10**9, 60, threading.Event(), threading.Event(), lambda: float(next(clock)))
    with pytest.raises(GithubError, match="is .github/workflows/retrain.yml on the default"):
        with trained_remotely(settings_of(server, tmp_path), PAYLOAD, IGNORED, quick, 0.0):
            pass


@pytest.mark.parametrize(
    ("archived", "why"),
    [
        (None, "has left no artifact 'retrain-r-1'"),
        (b"no archive", "is no archive"),
        ("empty", "holds no bundle"),
    ],
)
def test_an_artifact_of_no_use_is_told(
    server: Server, tmp_path: Path, archived: Any, why: str
) -> None:
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    server.polls, server.archive = 0, packed.getvalue() if archived == "empty" else archived
    with pytest.raises(GithubError, match=why):
        with trained_remotely(settings_of(server, tmp_path), PAYLOAD, IGNORED, long(), 0.01):
            pass


def test_an_archive_cannot_write_outside_its_directory(server: Server, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("../../outside", "x")
        target.writestr("bundle/a", "x")
        target.writestr("holdout.parquet", "x")
    server.polls, server.archive = 0, packed.getvalue()
    with trained_remotely(settings_of(server, tmp_path), PAYLOAD, IGNORED, long(), 0.01):
        assert not (tmp_path / "outside").exists()
        assert not (tmp_path / "work" / "outside").exists()

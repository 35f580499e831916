"""A retrain's clone sees what is on disk, leaves the project alone and never outlives its time."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitoring.process_tree import marked
from monitoring.working_copy import CommandError, WorkingCopy, working_copy


def _git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    run = subprocess.run(
        ["git", *identity, *arguments], cwd=directory, check=True, capture_output=True, text=True
    )
    return run.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a committed, an edited, a deleted, a new and an ignored file."""
    directory = tmp_path / "project"
    directory.mkdir()
    _git(directory, "init", "--quiet")
    dvc = Path(sys.executable).parent / "dvc"
    subprocess.run([dvc, "init", "--quiet"], cwd=directory, check=True)
    for name in ("kept", "edited", "deleted"):
        (directory / name).write_text("committed")
    (directory / ".gitignore").write_text("ignored\n")
    _git(directory, "add", "--all")
    _git(directory, "commit", "--quiet", "-m", "first")
    (directory / "edited").write_text("edited")
    (directory / "deleted").unlink()
    (directory / "new").write_text("new")
    (directory / "ignored").write_text("ignored")
    return directory


def test_clone_is_the_project_as_it_is_on_disk(project: Path, tmp_path: Path) -> None:
    with working_copy(project, tmp_path / "w", tmp_path / "log", threading.Event()) as copy:
        found = {p.name: p.read_text() for p in copy.directory.iterdir() if p.is_file()}
        cache = (copy.directory / ".dvc" / "config.local").read_text()

    found = {name: found[name] for name in ("kept", "edited", "new")} | {"all": sorted(found)}
    assert found["edited"] == "edited"
    assert found["kept"] == "committed"
    assert found["all"] == [".dvcignore", ".gitignore", "edited", "kept", "new"]
    assert str(project / ".dvc" / "cache") in cache
    assert not (tmp_path / "w").exists()


def test_commit_lands_under_its_ref_and_nowhere_else(project: Path, tmp_path: Path) -> None:
    before = _git(project, "rev-parse", "HEAD"), _git(project, "status", "--short")
    with working_copy(project, tmp_path / "w", tmp_path / "log", threading.Event()) as copy:
        commit = copy.commit("Retrain", project, "refs/retrains/1")

    assert _git(project, "rev-parse", "refs/retrains/1").strip() == commit
    assert _git(project, "show", f"{commit}:edited") == "edited"
    assert (_git(project, "rev-parse", "HEAD"), _git(project, "status", "--short")) == before


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[WorkingCopy]:
    with (tmp_path / "log").open("a") as log:
        yield WorkingCopy(tmp_path, log, threading.Event())


def test_failing_command_tells_its_last_line(copy: WorkingCopy) -> None:
    with pytest.raises(CommandError, match="ended with 3: the reason"):
        copy.run("sh", "-c", "echo the reason; exit 3")


def test_command_past_its_deadline_is_killed_with_its_children(
    copy: WorkingCopy, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="took more than"):
        copy.run("sh", "-c", "(sleep 2; touch survived) & wait", deadline_seconds=0.3)

    time.sleep(2.2)
    assert not (tmp_path / "survived").exists()


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()  # out of the group and the session
    if os.fork() == 0:
        time.sleep(60)
    os.wait()
print("up", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what processes inherit")
def test_children_that_fork_flee_and_ignore_sigterm_are_killed_too(
    copy: WorkingCopy, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="took more than"):
        copy.run(sys.executable, "-c", STUBBORN, deadline_seconds=1)

    assert "up" in (tmp_path / "log").read_text()
    assert marked(tmp_path) == []


HOLDER = """
import sys, threading
from pathlib import Path
from monitoring.process_tree import marked
from monitoring.working_copy import WorkingCopy
directory = Path(sys.argv[1])
with (directory / "log").open("a") as log:
    WorkingCopy(directory, log, threading.Event()).run("sh", "-c", "sleep 60 & echo up; wait")
"""


def test_command_dies_with_the_process_that_runs_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)]) as holder:
        log = tmp_path / "log"
        _wait_until(lambda: log.exists() and "up" in log.read_text().splitlines())
        holder.kill()
    _wait_until(lambda: marked(tmp_path) == [])


def _wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(200):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("not within ten seconds")


def test_stopped_command_ends_at_once(copy: WorkingCopy) -> None:
    threading.Timer(0.2, copy.stop.set).start()
    began = time.monotonic()

    with pytest.raises(CommandError, match="stopped"):
        copy.run("sleep", "30")
    assert time.monotonic() - began < 5


def test_directory_without_repository_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(CommandError, match="git clone"),
        working_copy(tmp_path, tmp_path / "w", tmp_path / "log", threading.Event()),
    ):
        pass

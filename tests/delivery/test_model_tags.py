"""Model tags follow GTO's format and name images by digest."""

from pathlib import Path

import pytest

from tests.delivery.projects import git, run

ONE, TWO = (f"ghcr.io/team/perennial/service@sha256:{digit * 64}" for digit in "ab")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "First")
    return tmp_path


def tags(repository: Path, *arguments: str, fails: bool = False) -> str:
    return run(repository, "python", "-m", "deploy.model_tags", *arguments, fails=fails).strip()


def test_releases_are_numbered_by_the_part_that_is_asked_for(repository: Path) -> None:
    asked = ("register", "--image", ONE)
    assert tags(repository, *asked) == "model@v0.0.1"
    assert tags(repository, *asked, "--bump", "minor") == "model@v0.1.0"
    assert tags(repository, *asked) == "model@v0.1.1"
    assert tags(repository, *asked, "--bump", "major") == "model@v1.0.0"
    git(repository, "tag", "model@v0.10.0")  # ten is more than nine, and one is more than it
    git(repository, "tag", "model@vnext")  # somebody else's
    assert tags(repository, *asked) == "model@v1.0.1"


def test_a_stage_runs_what_was_assigned_last(repository: Path) -> None:
    assert "nothing is in production" in tags(repository, "current", "--stage", "production")
    tags(repository, "register", "--image", ONE)
    first = git(repository, "rev-parse", "HEAD").strip()
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Second")
    tags(repository, "register", "--image", TWO)

    def put(image: str, stage: str) -> str:
        return tags(repository, "assign", "--image", image, "--stage", stage)

    assert put(ONE, "production") == "model#production#1"
    assert put(TWO, "staging") == "model#staging#2"
    assert tags(repository, "current", "--stage", "production") == ONE
    assert put(TWO, "production") == "model#production#3"
    assert tags(repository, "current", "--stage", "production") == TWO
    assert put(ONE, "production") == "model#production#4"  # gone back
    assert tags(repository, "current", "--stage", "production") == ONE
    assert git(repository, "rev-parse", "model#production#4^{commit}").strip() == first


@pytest.mark.parametrize("image", ["perennial/service:latest", f"{ONE}; id", "$(id)@sha256:aa", ""])
def test_what_is_no_digest_is_never_tagged(repository: Path, image: str) -> None:
    assert "not NAME@sha256:DIGEST" in tags(repository, "register", "--image", image, fails=True)
    assert git(repository, "tag") == ""


def test_an_image_of_elsewhere_is_not_assigned(repository: Path) -> None:
    tags(repository, "register", "--image", ONE)
    told = tags(repository, "assign", "--image", TWO, "--stage", "production", fails=True)
    assert "was it released from this repository?" in told
    told = tags(repository, "assign", "--image", ONE, "--stage", "Pro#d", fails=True)
    assert "is no stage's name" in told

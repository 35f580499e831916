"""`make ci-steps` runs what the workflow file says: what fails there fails here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.ci.stand_ins import STAND_INS, remote_actions, write_stand_ins
from deploy.ci.workflow import WorkflowError, read_workflow
from tests.delivery.test_workflows import ROOT, TOOLS

CI = ROOT / ".github" / "workflows" / "ci.yml"
COMMIT = "a" * 40
TEXT = """\
name: small
on: push
jobs:
  first:
    runs-on: ubuntu-latest
    outputs: {word: "${{ steps.say.outputs.word }}"}
    steps:
      - id: say
        run: echo word=handed-on >> "$GITHUB_OUTPUT"
  second:
    needs: first
    runs-on: ubuntu-latest
    strategy: {matrix: {python: ["3.11", "9.9"], colour: [red, blue]}}
    env: {COLOUR: "${{ matrix.colour }}"}
    steps:
      - uses: actions/checkout@COMMIT
      - run: "! git check-ignore --no-index small.yml && ls README.md"
      - run: echo "$COLOUR and ${{ needs.first.outputs.word }}"
      - uses: actions/setup-python@COMMIT
        with: {python-version: "${{ matrix.python }}"}
      - run: python3 -c 'import sys; print("Python", sys.version_info[:2])'
      - run: STEP
      - if: failure()
        run: echo it was cleaned up
      - uses: actions/upload-artifact@COMMIT
        if: always()
        with: {name: x, path: made.txt, if-no-files-found: error}
""".replace("COMMIT", COMMIT)


def act(workflow: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    if not (TOOLS / "act").exists():
        pytest.skip("act did not run the steps: `make setup-delivery` installs it")
    command = [sys.executable, "-m", "deploy.ci", "--workflow", str(workflow), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yml"
    path.write_text(TEXT.replace("STEP", "touch made.txt"))
    return path


def test_every_job_and_action_of_ci_is_known() -> None:
    workflow = read_workflow(CI)
    assert set(workflow.jobs) == {"check", "test", "slow", "images", "stack", "audit"}
    for job in workflow.jobs:
        assert workflow.labels(job) == ["ubuntu-latest"]
        assert {action.split("@")[0] for action in remote_actions(workflow, job)} <= set(STAND_INS)
    assert workflow.cell("test", {}) == {"python": "3.11", "target": "test"}
    wanted = {"python": "3.13", "target": "test-postgresql"}
    assert workflow.cell("test", wanted) == wanted


def test_the_list_names_jobs_and_matrices() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "deploy.ci", "--list"], cwd=ROOT, capture_output=True, text=True
    )
    assert "\ntest  {'python': ['3.11', '3.12', '3.13'], 'target'" in told.stdout


def test_steps_run_in_order_on_a_copy_of_this_checkout(small: Path) -> None:
    found = act(small, "--job", "second", "--matrix", "colour=blue")
    told = found.stdout + found.stderr
    assert found.returncode == 0, told
    said = re.findall(r"\|\s+(blue and handed-on|Python \(3, 11\)|README.md|made.txt)", told)
    assert said == ["README.md", "blue and handed-on", "Python (3, 11)", "made.txt"]
    assert f"not run here, a stand-in was: actions/setup-python@{COMMIT}" in told
    assert not (ROOT / "made.txt").exists()


def test_a_step_that_fails_fails_the_run_after_its_cleaning(small: Path) -> None:
    small.write_text(small.read_text().replace("touch made.txt", "touch made.txt; false"))
    found = act(small, "--job", "second")
    assert found.returncode == 1
    assert "it was cleaned up" in found.stdout
    assert "failed: second" in found.stderr


def test_an_artifact_that_was_not_made_fails_the_run(small: Path) -> None:
    small.write_text(small.read_text().replace("touch made.txt", "touch other.txt"))
    found = act(small, "--job", "second")
    assert found.returncode == 1
    assert "no file of: made.txt" in found.stdout


def test_an_interpreter_that_is_missing_is_not_replaced_by_another(small: Path) -> None:
    found = act(small, "--job", "second", "--matrix", "python=9.9")
    assert found.returncode == 1
    assert "Python 9.9 is not on this machine" in found.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--job", "third"), "has no job 'third'; it has first, second"),
        (("--job", "second", "--matrix", "colour=green"), "has no matrix entry colour=green"),
        (("--job", "second", "--matrix", "shape=round"), "has no matrix entry shape=round"),
    ],
)
def test_what_is_not_in_the_file_is_refused(
    small: Path, options: tuple[str, ...], told: str
) -> None:
    found = act(small, *options)
    assert found.returncode == 1
    assert told in found.stderr


def test_an_action_without_a_stand_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="no stand-in for somebody/else"):
        write_stand_ins([f"somebody/else@{COMMIT}"], tmp_path)


@pytest.mark.slow
def test_the_check_job_of_ci_passes_here() -> None:
    found = act(CI, "--job", "check")
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-1000:]
    assert "No issues found" in found.stdout or "no issues found" in found.stdout  # mypy was asked

"""Workflows, Jenkinsfile and Dependabot's file are under the strictest linters there are."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
TOOLS = ROOT / ".venv-delivery" / "bin"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = {"ci", "train", "replay", "release", "deploy", "retrain"}
MADE = re.compile(r"\bmake(?: --?[a-z]+| -C \S+)* ([a-z][a-z-]+)")


def tool(name: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    if not (TOOLS / name).exists():
        pytest.skip(f"{name} did not look at the workflows: `make setup-delivery` installs it")
    command = [str(TOOLS / name), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def read(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text())
    assert isinstance(found, dict)
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job.get("steps", [])]


def test_every_workflow_of_the_delivery_is_there() -> None:
    assert {path.stem for path in WORKFLOWS} == NAMES


def test_actionlint_and_shellcheck_find_nothing() -> None:
    found = tool("actionlint", f"-shellcheck={TOOLS / 'shellcheck'}", *WORKFLOWS)
    assert found.returncode == 0, found.stdout


def test_a_workflow_with_a_fault_is_seen_by_actionlint(tmp_path: Path) -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    bad = tmp_path / "ci.yml"
    bad.write_text(text.replace('make "$TARGET"', "make $TARGET && echo ${{ matrix.tarlet }}"))
    found = tool("actionlint", f"-shellcheck={TOOLS / 'shellcheck'}", bad)
    assert "tarlet" in found.stdout
    assert "SC2086" in found.stdout


def test_zizmor_as_auditor_finds_nothing() -> None:
    found = tool("zizmor", "--persona", "auditor", "--offline", "--strict-collection", ".github")
    assert found.returncode == 0, found.stdout
    assert "No findings" in found.stdout + found.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.dependabot", [ROOT / ".github/dependabot.yml"]),
    ],
)
def test_files_follow_their_schema(schema: str, files: list[Path]) -> None:
    found = tool("check-jsonschema", "--builtin-schema", schema, *files)
    assert found.returncode == 0, found.stdout


def test_yamllint_finds_nothing() -> None:
    found = tool("yamllint", "--strict", "--config-file", ".yamllint.yml", ".github")
    assert found.returncode == 0, found.stdout


def test_shellcheck_finds_nothing_in_scripts() -> None:
    scripts = sorted((ROOT / ".ci").iterdir())
    assert len(scripts) > 1
    found = tool("shellcheck", "--enable=add-default-case,quote-safe-variables", *scripts)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_a_commit_with_its_version_beside(path: Path) -> None:
    for line in path.read_text().splitlines():
        if (used := re.search(r"\buses: (\S+)(.*)", line)) and not used[1].startswith("$/"):
            assert re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40}", used[1]), line
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", used[2]), line


def test_one_action_has_one_commit_everywhere() -> None:
    used = {step["uses"] for path in WORKFLOWS for step in steps(path) if "uses" in step}
    assert len(used) == len({each.split("@")[0] for each in used}), sorted(used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_rights_are_none_but_what_a_job_needs(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in workflow[True]
    assert workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        assert isinstance(job["permissions"], dict), name
        assert "uses" in job or job["timeout-minutes"] <= 120, name
        if "pull_request" in workflow[True] and "github.event_name != 'pull_request'" not in str(
            job.get("if", "")
        ):
            written = {right for right, level in job["permissions"].items() if level == "write"}
            assert written <= {"id-token", "pull-requests"}, name
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step
        if "checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_pull_request_of_a_fork_meets_no_secret(path: Path) -> None:
    workflow = read(path)
    if "pull_request" not in workflow[True]:
        return
    for name, job in workflow["jobs"].items():
        text = yaml.safe_dump(job)
        if "secrets." in text or job.get("environment"):
            assert re.search(r"event_name (!= 'pull_request'|== 'push')", job["if"]), name
        if "pull-requests" in job["permissions"]:
            assert "!github.event.pull_request.head.repo.fork" in job["if"]
            assert not any("checkout@" in step.get("uses", "") for step in job["steps"]), name


CALLERS = [*WORKFLOWS, ROOT / "Jenkinsfile", *sorted((ROOT / ".ci").iterdir())]


@pytest.mark.parametrize("path", CALLERS, ids=lambda path: path.name)
def test_every_make_target_that_is_called_exists(path: Path) -> None:
    called = called_in(path)
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert called <= made, f"the Makefile lacks {sorted(called - made)}"


def test_jenkins_calls_what_ci_calls() -> None:
    ci = called_in(ROOT / ".github/workflows/ci.yml") - {"packages"}
    jenkins = (ROOT / "Jenkinsfile").read_text()
    assert {target for target in ci if not re.search(rf"\b{target}\b", jenkins)} == set()


def called_in(path: Path) -> set[str]:
    """The make targets that a workflow, a script or the Jenkinsfile calls, comments left out."""
    code = "\n".join(re.sub(r"(^|\s)(#|//).*", "", line) for line in path.read_text().splitlines())
    called = set(MADE.findall(code))
    if path.suffix == ".yml":
        jobs = read(path)["jobs"].values()
        matrices = [job.get("strategy", {}).get("matrix", {}) for job in jobs]
        called |= {target for matrix in matrices for target in matrix.get("target", [])}
    return called


def test_dependabot_waits_a_week_and_groups() -> None:
    updates = read(ROOT / ".github/dependabot.yml")["updates"]
    assert {each["package-ecosystem"] for each in updates} >= {"pip", "github-actions", "docker"}
    for each in updates:
        assert each["cooldown"]["default-days"] >= 7
        assert each["groups"]

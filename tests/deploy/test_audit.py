"""`make audit`: what is found, what is passed over until when, and what could not be checked."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from deploy.audit.__main__ import Outcome, audit, status
from deploy.audit.checks import CHECKS, Check
from deploy.audit.findings import Finding, Ignore, IgnoreError, read_ignores, split

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 22)
FAULT = Finding(("PYSEC-1", "CVE-1"), "requirements/train.txt", "a package")
LATER = Ignore("pip-audit", "CVE-1", "requirements/train.txt", "no fix upstream", date(2027, 1, 1))
BY_NAME = {check.name: check for check in CHECKS}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with one lock, and nothing installed."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/train.txt").write_text("a==1 --hash=sha256:0\n")
    return tmp_path


def put_tool(repository: Path, name: str, output: str, code: int = 0, error: str = "") -> None:
    """A program that says what the tool would."""
    tool = repository / ".venv-audit/bin" / name
    tool.parent.mkdir(parents=True, exist_ok=True)
    (repository / "said").write_text(output)
    (repository / "complained").write_text(error)
    tool.write_text(
        f"#!/bin/sh\ncat {repository}/said; cat {repository}/complained >&2; exit {code}\n"
    )
    tool.chmod(0o755)


def of(repository: Path, name: str, *ignores: Ignore) -> Outcome:
    [outcome] = audit(repository, [BY_NAME[name]], ignores, TODAY)
    return outcome


def test_an_ignore_passes_over_a_finding_by_any_of_its_names() -> None:
    assert split("pip-audit", [FAULT], [LATER], TODAY) == ([], [FAULT])


def test_an_ignore_covers_no_other_file() -> None:
    other = Finding(FAULT.names, "requirements/serve.txt", "a package")

    mend, passed = split("pip-audit", [other, FAULT], [LATER], TODAY)

    assert (mend, passed) == ([other], [FAULT])


def test_an_expired_ignore_is_a_finding_beside_what_it_covered() -> None:
    mend, passed = split("pip-audit", [FAULT], [LATER], date(2027, 1, 2))

    assert passed == []
    assert mend[0] == FAULT
    assert "expired on 2027-01-01" in str(mend[1])


def test_an_expired_ignore_of_nothing_is_a_finding_too() -> None:
    [finding], _ = split("pip-audit", [], [LATER], date(2027, 1, 2))

    assert "expired" in finding.message


def test_an_ignore_that_covers_nothing_is_to_be_removed() -> None:
    [finding], _ = split("pip-audit", [], [LATER], TODAY)

    assert "remove it" in finding.message


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"where": "requirements/*.txt"}, "serving set has no exceptions"),
        ({"reason": "because"}, "needs a reason"),
        ({"expires": '"2027-01-01"'}, "day to expire"),
        ({"until": '"never"'}, "needs exactly"),
    ],
    ids=["of the serving set", "no reason", "no day", "a field too many"],
)
def test_an_ignore_without_all_that_it_needs_is_refused(
    tmp_path: Path, change: dict[str, str], complaint: str
) -> None:
    entry = {"check": "pip-audit", "id": "CVE-1", "where": "requirements/train.txt",
             "reason": "no fixed release exists upstream", "expires": "2027-01-01"}  # fmt: skip
    entry |= change
    lines = [
        f"{k} = {v}" if k == "expires" or v.startswith('"') else f"{k} = {json.dumps(v)}"
        for k, v in entry.items()
    ]
    (tmp_path / "ignores.toml").write_text("[[ignore]]\n" + "\n".join(lines))

    with pytest.raises(IgnoreError, match=complaint):
        read_ignores(tmp_path / "ignores.toml")


def test_committed_ignores_can_be_read_and_none_has_expired() -> None:
    for ignore in read_ignores(ROOT / "deploy/audit/ignores.toml"):
        assert ignore.expires >= date.today(), ignore  # noqa: DTZ011  # a day of the calendar


def test_a_vulnerability_is_a_finding(repository: Path) -> None:
    vulns = [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": []}]
    said = {"dependencies": [{"name": "a", "version": "1", "vulns": vulns}]}
    put_tool(repository, "pip-audit", json.dumps(said), 1)

    assert "a 1, mended in no release" in str(of(repository, "pip-audit").mend[0])
    assert of(repository, "pip-audit", LATER).ignored == 1


@pytest.mark.parametrize(
    ("said", "code", "error"),
    [
        ("", 1, "ERROR: a: Dependency not found and could not be audited"),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', 0, ""),
        ('{"dependencies": []}', 0, ""),
        ("", 139, "it crashed"),
    ],
    ids=["strict refusal", "skipped", "saw nothing", "crashed"],
)
def test_what_pip_audit_could_not_audit_is_never_clean(
    repository: Path, said: str, code: int, error: str
) -> None:
    put_tool(repository, "pip-audit", said, code, error)

    outcome = of(repository, "pip-audit")

    assert outcome.why_not
    assert "NOT CHECKED" in next(iter(outcome.lines()))
    assert status([outcome], offline=False) == 1
    assert status([outcome], offline=True) == 0


def test_findings_count_offline_too() -> None:
    assert status([Outcome("x", (FAULT,))], offline=True) == 1


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "secrets in the history"])
def test_a_missing_tool_is_not_a_clean_result(repository: Path, name: str) -> None:
    assert of(repository, name).why_not


def test_a_shallow_history_is_not_a_clean_one(repository: Path, tmp_path: Path) -> None:
    author = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
              "GIT_COMMITTER_EMAIL": "a@b"}  # fmt: skip
    for n in range(2):
        subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", str(n)], cwd=repository,
                       env={**os.environ, **author}, check=True)  # fmt: skip
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repository}", str(shallow)],
                   check=True)  # fmt: skip

    assert "shallow" in of(shallow, "secrets in the history").why_not


def test_the_copy_holds_what_git_would_add_and_not_what_it_ignores(repository: Path) -> None:
    (repository / ".gitignore").write_text("built\n")
    (repository / "built").write_text("x")
    seen: list[str] = []

    def look(_root: Path, tree: Path) -> list[Finding]:
        seen.extend(sorted(str(p.relative_to(tree)) for p in tree.rglob("*") if p.is_file()))
        return []

    list(audit(repository, [Check("look", look)], [], TODAY))

    assert seen == [".gitignore", "requirements/train.txt"]


def test_the_command_fails_where_a_tool_is_missing_and_says_so_offline(repository: Path) -> None:
    (repository / "ignores.toml").write_text("")
    command = [sys.executable, "-m", "deploy.audit", "--only=actionlint", "--ignores=ignores.toml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = [
        subprocess.run([*command, *more], cwd=repository, env=environment, capture_output=True,
                       text=True)
        for more in ([], ["--offline"])
    ]  # fmt: skip

    assert [each.returncode for each in found] == [1, 0]
    assert all("*** NOT CHECKED HERE: actionlint" in each.stdout for each in found)

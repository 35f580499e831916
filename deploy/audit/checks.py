"""The table of audits: which tool reads what, and what its output says.

Each reads a copy of the tree that holds what git knows or would add, and nothing that was built.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deploy.audit import licences
from deploy.audit.findings import Finding, NotCheckedError

BINS = (Path(".venv-audit/bin"), Path(".venv-delivery/bin"))
SHELLS = (b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash", b"#!/usr/bin/env sh")
SCHEMAS = {  # those of check-jsonschema, and what follows them
    "vendor.github-workflows": ".github/workflows/*.y*ml",
    "vendor.github-actions": ".github/actions/*/action.y*ml",
    "vendor.dependabot": ".github/dependabot.yml",
    "vendor.compose-spec": "docker-compose*.yml",
}
FRAMEWORKS = {  # those of checkov, and files of which each has to find something to check
    "dockerfile": "Dockerfile",
    "github_actions": ".github/workflows/*.y*ml",
    "kubernetes": "deploy/kubernetes/**/*.y*ml",
    "terraform": "deploy/**/*.tf",
    "bicep": "deploy/**/*.bicep",
}


@dataclass(frozen=True)
class Check:
    """One line of the audit.

    Attributes:
        find: from the repository and the copy of its tree to findings; NotCheckedError when the
            tool could not check.
    """

    name: str
    find: Callable[[Path, Path], list[Finding]]


def run(root: Path, tool: str, *arguments: str, cwd: Path, ok: tuple[int, ...] = (0, 1)) -> str:
    """A tool's standard output.

    Raises:
        NotCheckedError: it is not installed, or it ended with a status that no finding explains.
    """
    program = next((p for b in BINS if (p := (root / b / tool).absolute()).exists()), None)
    if program is None:
        raise NotCheckedError(f"{tool} is missing: make setup-audit setup-delivery")
    found = subprocess.run(
        [program, *arguments], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if found.returncode not in ok:
        raise NotCheckedError(_last(found.stderr) or f"{tool} ended with {found.returncode}")
    return found.stdout or found.stderr * (found.returncode != 0)


def parsed(tool: str, output: str) -> Any:
    """Output as JSON; what is not JSON is why the tool could not check."""
    try:
        return json.loads(output or "[]")
    except json.JSONDecodeError:
        raise NotCheckedError(f"{tool}: {_last(output)}") from None


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else ""


def copy_tree(root: Path, to: Path) -> None:
    """What git knows or would add."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, to / name)


def some(found: list[str], what: str) -> list[str]:
    """What was found; a tool that is given nothing would be content."""
    if not found:
        raise NotCheckedError(f"there is no {what} to check")
    return found


def files(tree: Path, *patterns: str) -> list[str]:
    """Names of files, from the tree's root."""
    return sorted({str(p.relative_to(tree)) for each in patterns for p in tree.glob(each)})


def pip_audit(root: Path, tree: Path) -> list[Finding]:
    return [
        each for lock in files(tree, "requirements/*.txt") for each in _of_lock(root, tree, lock)
    ]


def _of_lock(root: Path, tree: Path, lock: str) -> Iterator[Finding]:
    output = run(root, "pip-audit", "--strict", "--require-hashes", "--disable-pip",
                 "--format=json", "--progress-spinner=off", "-r", lock, cwd=tree)  # fmt: skip
    rows = parsed(f"pip-audit of {lock}", output)["dependencies"]
    if not rows:
        raise NotCheckedError(f"pip-audit saw no package in {lock}")
    for row in rows:
        if "vulns" not in row:
            raise NotCheckedError(f"pip-audit of {lock}: {row.get('skip_reason')}")
        for fault in row["vulns"]:
            names = (fault["id"], *fault["aliases"])
            yield Finding(names, lock, f"{row['name']} {row['version']}, mended in "
                          f"{', '.join(fault['fix_versions']) or 'no release'}")  # fmt: skip


def zizmor(root: Path, tree: Path, *, online: bool = False) -> list[Finding]:
    if online and not os.environ.get("GH_TOKEN"):
        raise NotCheckedError("GH_TOKEN is not set; GitHub is asked for known faults of actions")
    how = [] if online else ["--offline"]
    output = run(root, "zizmor", *how, "--persona=auditor", "--format=json", "--quiet",
                 "--no-config", ".github", cwd=tree, ok=(0, 11, 12, 13, 14))  # fmt: skip
    found = []
    for row in parsed("zizmor", output):
        file = row["locations"][0]["symbolic"]["key"]["Local"]["verbatim_path"]
        found.append(Finding((row["ident"],), file, row["desc"]))
    return found


def actionlint(root: Path, tree: Path) -> list[Finding]:
    workflows = some(files(tree, ".github/workflows/*.y*ml"), "workflow")
    # A copy is no repository, so it would not look for its configuration.
    configured = [
        part for n in files(tree, ".github/actionlint.y*ml") for part in ("-config-file", n)
    ]
    output = run(root, "actionlint", *configured, "-format", "{{json .}}", *workflows, cwd=tree)
    rows = parsed("actionlint", output)
    return [Finding((row["kind"],), row["filepath"], _line(row)) for row in rows]


def hadolint(root: Path, tree: Path) -> list[Finding]:
    images = some(files(tree, "**/Dockerfile"), "Dockerfile")
    output = run(root, "hadolint", "--no-color", "--format=json", *images, cwd=tree)
    rows = parsed("hadolint", output)
    return [Finding((row["code"],), row["file"], _line(row)) for row in rows]


def shellcheck(root: Path, tree: Path) -> list[Finding]:
    scripts = [name for name in files(tree, "**/*") if _is_script(tree / name)]
    rows = parsed(
        "shellcheck", run(root, "shellcheck", "--format=json", *some(scripts, "script"), cwd=tree)
    )
    return [Finding((f"SC{row['code']}",), row["file"], _line(row)) for row in rows]


def _is_script(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline().strip()
    return path.suffix == ".sh" or any(first.startswith(shell) for shell in SHELLS)


def _line(row: Any) -> str:
    return f"line {row['line']}: {row['message']}"


def yamllint(root: Path, tree: Path) -> list[Finding]:
    names = some(files(tree, "**/*.yml", "**/*.yaml"), "YAML")
    output = run(root, "yamllint", "--strict", "--format=parsable", *names, cwd=tree, ok=(0, 1, 2))
    found = []
    for line in output.splitlines():
        file, row, _, message = line.split(":", 3)
        found.append(Finding((message.rsplit("(", 1)[-1].rstrip(")"),), file, f"{row}:{message}"))
    return found


def schemas(root: Path, tree: Path) -> list[Finding]:
    some(files(tree, *SCHEMAS.values()), "file that has a schema")
    found = []
    for schema, pattern in SCHEMAS.items():
        if names := files(tree, pattern):
            output = run(root, "check-jsonschema", "--builtin-schema", schema,
                         "--output-format=json", *names, cwd=tree)  # fmt: skip
            said = parsed("check-jsonschema", output)
            for row in [*said["errors"], *said.get("parse_errors", [])]:
                found.append(Finding((schema,), row["filename"], row["message"]))
    return found


def checkov(root: Path, tree: Path) -> list[Finding]:
    """Only what is shipped: stand-ins of tests have no users of their own and no health.

    Cloud Run's files look like Kubernetes' and cannot follow its rules: tests/targets has theirs.
    """
    wanted = {name: files(tree, pattern) for name, pattern in FRAMEWORKS.items()}
    names = some([name for name, found in wanted.items() if found], "infrastructure")
    output = run(root, "checkov", "--skip-download", "--compact", "--output=json",
                 "--skip-path=tests", "--skip-path=deploy/cloudrun",
                 "--framework", ",".join(names), "--directory=.", cwd=tree)  # fmt: skip
    reports = parsed("checkov", output)
    reports = reports if isinstance(reports, list) else [reports]
    seen = {row.get("check_type"): row["summary"] for row in reports if "summary" in row}
    for name in names:
        summary = seen.get(name, {"passed": 0, "failed": 0, "parsing_errors": 0})
        if not summary["passed"] + summary["failed"] or summary["parsing_errors"]:
            raise NotCheckedError(f"checkov found nothing to check, or cannot read it: {name}")
    return [
        Finding((row["check_id"],), row["file_path"].lstrip("/"), row["check_name"])
        for report in reports for row in report.get("results", {}).get("failed_checks", [])
    ]  # fmt: skip


def secrets_in_tree(root: Path, tree: Path) -> list[Finding]:
    return _gitleaks(root, tree, "dir")


def secrets_in_history(root: Path, _tree: Path) -> list[Finding]:
    command = ["git", "rev-parse", "--is-shallow-repository"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if found.stdout.strip() != "false":
        raise NotCheckedError("the clone is shallow or none: fetch the whole history")
    return _gitleaks(root, root, "git")


def _gitleaks(root: Path, where: Path, what: str) -> list[Finding]:
    output = run(root, "gitleaks", what, "--no-banner", "--redact", "--ignore-gitleaks-allow",
                 "--log-level=error", "--report-format=json", "--report-path=-", ".",
                 cwd=where)  # fmt: skip
    return [
        Finding((row["RuleID"],), row["File"], f"line {row['StartLine']} {row['Commit'][:12]}")
        for row in parsed("gitleaks", output)
    ]


def licence_list(root: Path, tree: Path) -> list[Finding]:
    output = run(root, "pip-licenses", "--python", str((root / licences.PYTHON).absolute()),
                 "--format=json", "--from=all", "--with-system", cwd=tree)  # fmt: skip
    known = licences.from_pip_licenses(parsed("pip-licenses", output))
    return licences.judge(tree / "requirements", known)


CHECKS = (
    Check("pip-audit", pip_audit),
    Check("licences", licence_list),
    Check("secrets in the tree", secrets_in_tree),
    Check("secrets in the history", secrets_in_history),
    Check("zizmor", zizmor),
    Check("zizmor online", partial(zizmor, online=True)),
    Check("actionlint", actionlint),
    Check("schemas", schemas),
    Check("hadolint", hadolint),
    Check("checkov", checkov),
    Check("shellcheck", shellcheck),
    Check("yamllint", yamllint),
)

"""Licences: which may be shipped in which process, and that the page tells the locks'."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.audit.licences import (
    ALLOWED,
    TOOL,
    allowed,
    from_pip_licenses,
    judge,
)

NONE = {"License-Expression": "UNKNOWN", "License-Metadata": "UNKNOWN",
        "License-Classifier": "UNKNOWN", "Name": "a", "Version": "1"}  # fmt: skip


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    for name in ("serve", "monitor", "train"):
        (tmp_path / f"{name}.txt").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("expression", "yes"),
    [
        ("MIT", True),
        ("LGPL-3.0-only", True),
        ("GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("UNKNOWN", False),
        ("", False),
        ("MIT AND GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("MPL-2.0 AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        ("GPL-2.0-only WITH GCC-exception-2.0", False),
    ],
)
def test_the_service_ships_nothing_that_binds_who_uses_it(expression: str, yes: bool) -> None:
    assert allowed(expression, ALLOWED["service"]) is yes


def test_only_the_trainer_links_what_has_an_exception() -> None:
    expression = "GPL-2.0-only WITH GCC-exception-2.0"

    assert [p for p in ALLOWED if allowed(expression, ALLOWED[p])] == ["trainer"]


@pytest.mark.parametrize(
    ("row", "licence"),
    [
        ({"License-Expression": "MIT"}, "MIT"),
        ({"License-Metadata": "Apache License 2.0"}, "Apache-2.0"),
        ({"License-Classifier": "Apache Software License; MIT License"}, "Apache-2.0 AND MIT"),
        (
            {"License-Metadata": "GPL-3.0-only", "License-Classifier": "MIT License"},
            "GPL-3.0-only",
        ),
        ({"License-Metadata": "EPL-2.0 OR GPL-2.0-or-later"}, "EPL-2.0 OR GPL-2.0-or-later"),
    ],
)
def test_a_licence_is_read_from_where_the_package_says_it(
    row: dict[str, str], licence: str
) -> None:
    assert from_pip_licenses([{**NONE, **row}])["a"].licence == licence


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "UNKNOWN is not allowed in service"),
        ({"License-Expression": "AGPL-3.0-only"}, "AGPL-3.0-only is not allowed in service"),
        ({"License-Expression": "MIT", "Version": "2"}, "its licence is unknown"),
    ],
    ids=["unknown", "strong copyleft", "another version"],
)
def test_what_may_not_be_shipped_is_a_finding(
    requirements: Path, row: dict[str, str], message: str
) -> None:
    (requirements / "serve.txt").write_text("a==1 \\\n    --hash=sha256:0\n")

    [finding] = judge(requirements, from_pip_licenses([{**NONE, **row}]))

    assert message in finding.message
    assert finding.where == "requirements/serve.txt"


def test_what_this_platform_does_not_install_needs_no_licence(requirements: Path) -> None:
    (requirements / "serve.txt").write_text("a==1 ; sys_platform == 'win32' \\\n")

    assert judge(requirements, {}) == []


def test_the_page_lists_the_locks() -> None:
    if not TOOL.exists():
        pytest.skip("LICENCES NOT COMPARED: make setup-audit installs pip-licenses")
    command = [sys.executable, "-m", "deploy.audit.licences", "--check"]
    found = subprocess.run(command, capture_output=True, text=True)

    assert found.returncode == 0, found.stderr

"""A short version of `make faults`; its figures are printed and not kept."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, environment

pytestmark = pytest.mark.slow
POSTGRESQL = shutil.which("pg_ctl") or any(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
needs_postgresql = pytest.mark.skipif(not POSTGRESQL, reason="PostgreSQL is not installed")
STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(not STRACE, reason="strace is not installed")
TRACED = ["power_cut", "power_cut_while_spooling", "control_no_sync"]
NAMES = [
    "kill_sqlite",
    "kill_while_spooling",
    "locked_after_kill",
    "spool_damaged_read",
    "swap_and_rollback",
    "control_answer_before_write",
    *(["ambiguous_commit"] if POSTGRESQL else []),
    *(TRACED if STRACE else []),
]


@pytest.fixture(scope="module")
def figures() -> dict[str, dict]:
    """What each fault has harmed."""
    command = [sys.executable, "-m", "benchmarks.faults", "--quick"]
    for name in NAMES:
        command += ["--only", name]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    found = re.findall(r"(\w+): (\{.*\})", done.stdout)
    return {name: json.loads(text) for name, text in found}


@pytest.mark.parametrize(
    "fault",
    [
        "kill_sqlite",
        "kill_while_spooling",
        "locked_after_kill",
        "spool_damaged_read",
        "swap_and_rollback",
        pytest.param("ambiguous_commit", marks=needs_postgresql),
        pytest.param("power_cut", marks=needs_strace),
        pytest.param("power_cut_while_spooling", marks=needs_strace),
    ],
)
def test_no_answered_row_is_harmed(figures: dict[str, dict], fault: str) -> None:
    own = figures[fault]
    assert own["acknowledged"] > 0
    assert {own[kind] for kind in ("lost", "duplicated", "torn", "mismatched")} == {0}


@pytest.mark.parametrize(
    "bug", ["answer_before_write", pytest.param("no_sync", marks=needs_strace)]
)
def test_a_seeded_bug_is_found(figures: dict[str, dict], bug: str) -> None:
    assert figures[f"control_{bug}"]["found"]["lost"] > 0

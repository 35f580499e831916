"""A short version of `make faults`."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, environment

pytestmark = pytest.mark.slow
POSTGRESQL = shutil.which("pg_ctl") or any(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
needs_postgresql = pytest.mark.skipif(not POSTGRESQL, reason="PostgreSQL is not installed")
needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


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
def test_no_answered_row_is_harmed(fault: str) -> None:
    figures = run(fault)
    assert figures["acknowledged"] > 0
    assert {figures[kind] for kind in ("lost", "duplicated", "torn", "mismatched")} == {0}


@pytest.mark.parametrize(
    "bug",
    [
        "answer_before_write",
        "answers_swapped",
        pytest.param("no_sync", marks=needs_strace),
    ],
)
def test_a_seeded_bug_is_found(bug: str) -> None:
    assert run(f"control_{bug}")["found"]


def run(name: str) -> dict:
    """Inject one fault; quick runs are printed and not kept."""
    command = [sys.executable, "-m", "benchmarks.faults", "--quick", "--only", name]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return json.loads(done.stdout.split(f"{name}: ")[1])

"""Old and surplus reports go, what people or other tools left there stays."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.monitoring_params import ReportsParams
from monitoring.report_files import name_report, prune_reports

NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """One report of each of the last ten days, and files of others."""
    for age in range(10):
        (tmp_path / name_report(f"0000{age:06d}", NOW - timedelta(days=age))).touch()
    for other in ("replay.html", "check-notes.html", "check-20260101T999999-abcdef.html"):
        (tmp_path / other).touch()
    return tmp_path


def _left(reports: Path) -> int:
    return len(list(reports.glob("check-2026*-0*.html")))


def test_the_newest_stay(reports: Path) -> None:
    gone = prune_reports(reports, ReportsParams(keep=3, keep_days=90), NOW)

    assert len(gone) == 7
    assert (reports / name_report("000000000", NOW)).exists()
    assert _left(reports) == 3


def test_old_ones_go(reports: Path) -> None:
    prune_reports(reports, ReportsParams(keep=200, keep_days=4), NOW)

    assert _left(reports) == 5


def test_what_is_not_ours_stays(reports: Path) -> None:
    prune_reports(reports, ReportsParams(keep=1, keep_days=1), NOW + timedelta(days=1000))

    left = {path.name for path in reports.iterdir()}
    assert left == {"replay.html", "check-notes.html", "check-20260101T999999-abcdef.html"}


def test_what_a_kill_left_half_made_goes_once_nobody_writes_it(tmp_path: Path) -> None:
    for name, age in ((".check-dead", timedelta(hours=2)), (".check-busy", timedelta(minutes=5))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "current.parquet").touch()
        moment = (NOW - age).timestamp()
        os.utime(tmp_path / name, (moment, moment))
    prune_reports(tmp_path, ReportsParams(), NOW)

    assert [path.name for path in tmp_path.iterdir()] == [".check-busy"]


def test_no_directory_is_no_problem(tmp_path: Path) -> None:
    assert prune_reports(tmp_path / "none", ReportsParams(), NOW) == []

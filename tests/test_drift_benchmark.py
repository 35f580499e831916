"""The form of bench-drift.json, which others read, and the bars."""

import json
from pathlib import Path
from typing import Any

from benchmarks.drift.figures import missing_parts, put_together, read_figures
from benchmarks.drift.judges import Found
from benchmarks.drift.measure import Outcome, changed, unchanged
from benchmarks.drift.tables import as_tables, missed

SCALE = {"scale": [{"rows": 5, "ours": {"seconds": 1.5, "rss_mb": 9, "cpu_seconds": 1},
                    "evidently": {"seconds": 3, "rss_mb": 8}}]}  # fmt: skip


def outcomes(alarms: int, of: int, cause: str) -> list[Outcome]:
    return [Outcome(Found(i < alarms, (cause,)), i == 0 or None) for i in range(of)]


def measured(tmp_path: Path) -> dict[str, Any]:
    kinds = [*unchanged(), *changed()]
    said = {
        kind.name: outcomes(4, 5, kind.shift.columns[0]) if kind.shift else outcomes(0, 5, "")
        for kind in kinds
    }
    return put_together(kinds, said, {}, tmp_path)


def test_figures_have_the_form_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "bench-scale.json").write_text(json.dumps(SCALE))
    figures = measured(tmp_path)

    for each in figures["false_alarm_rate"].values():
        assert (each["ours"], each["evidently_default"], each["windows"]) == (0.0, 1.0, 5)
    assert {"1000 independent rows", "7 random days", "100 categories"} <= set(
        figures["false_alarm_rate"]
    )
    for sizes in figures["power"].values():
        for each in sizes.values():
            assert (each["detected"], each["delay_windows"], each["cause_first"]) == (0.8, 0.25, 1)
    assert figures["scale"] == [{"rows": 5, "seconds": 1.5, "rss_mb": 9}]
    assert list(missing_parts(figures)) == []
    assert "| +0.1 sd | 10000 independent rows | 80% |" in as_tables(figures)


def test_kinds_that_are_not_measured_again_stay_and_so_does_the_scale(tmp_path: Path) -> None:
    (tmp_path / "bench-scale.json").write_text(json.dumps(SCALE))
    (tmp_path / "bench-drift.json").write_text(json.dumps(measured(tmp_path)))
    (tmp_path / "bench-scale.json").unlink()
    kind = unchanged()[0]
    again = put_together([kind], {kind.name: outcomes(1, 2, "")}, read_figures(tmp_path), tmp_path)

    assert again["false_alarm_rate"][kind.size]["ours"] == 0.5
    assert again["power"] == measured(tmp_path)["power"]
    assert again["scale"] == [{"rows": 5, "seconds": 1.5, "rss_mb": 9}]


def test_windows_that_never_alarm_have_no_delay(tmp_path: Path) -> None:
    kind = changed()[0]
    assert kind.shift is not None
    figures = put_together([kind], {kind.name: outcomes(0, 3, "")}, {}, tmp_path)
    assert figures["power"][kind.shift.name][kind.size]["delay_windows"] is None
    assert any("not measured" in each for each in missing_parts(figures))
    assert any("detected 0%" in each for each in missed(figures))

"""What a replay's verdict tells, what the limits may be, and what ends the command."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.params import ParamsError, load_params
from contracts.replay_params import load_replay
from deploy.replaying.compare import compare
from deploy.replaying.report import as_markdown, as_text
from deploy.replaying.verdict import Check, has_passed
from tests.conftest import MadeBundle
from tests.deploy.replayed import QUICK, CrashError, Instance, figures_of, make_side, make_snapshot


def test_a_verdict_names_the_snapshot_the_limits_and_no_markup_of_a_row(
    tmp_path: Path, bundle_a: MadeBundle
) -> None:
    snapshot = make_snapshot(tmp_path / "rows.parquet")
    features = {**snapshot.rows[3].features, "carrier": "[x](http://e.com)|<b>@you"}
    hostile = replace(snapshot.rows[3], features=features)
    rows = (*snapshot.rows[:3], hostile, *snapshot.rows[4:])
    found = compare(
        make_side(bundle_a.directory), make_side(bundle_a.directory, change=no_row_named("[x]")),
        replace(snapshot, rows=rows), QUICK,
    )  # fmt: skip
    figures = figures_of(found, snapshot)

    assert json.loads(json.dumps(figures)) == figures
    text, markdown = as_text(figures), as_markdown(figures)
    for told in (text, markdown):
        assert snapshot.sha256 in told
        assert "rows that only the candidate fails" in told
    assert "[x]" not in markdown
    assert "<b>" not in markdown
    assert "@you" not in markdown
    assert "http" not in as_markdown(figures, with_features=False)


def no_row_named(text: str) -> Any:
    def change(row: Instance) -> Instance:
        if text in str(row["carrier"]):
            raise CrashError("no")
        return row

    return change


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("--rows", "absent.parquet"), "make one with `python -m deploy.snapshot`"),
        (("--rows", "{rows}", "--params", "{wrong}"), "replay.failed"),
        (("--rows", "{rows}"), "no container engine"),
    ],
)
def test_what_cannot_be_compared_ends_with_2_and_says_why(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    make_snapshot(tmp_path / "rows.parquet")
    (tmp_path / "wrong.yaml").write_text("replay: {failed: -1}\n")
    given = [
        part.format(rows=tmp_path / "rows.parquet", wrong=tmp_path / "wrong.yaml")
        for part in arguments
    ]
    done = subprocess.run(
        [sys.executable, "-m", "deploy.replay_gate", "--champion=a", "--candidate=b", *given],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_the_limits_of_this_repository_are_valid_and_training_does_not_read_them(
    tmp_path: Path,
) -> None:
    shipped = load_replay(Path("params.yaml"))
    assert shipped == load_replay(Path("params.yaml"))
    assert load_params(Path("params.yaml")).replay == shipped.model_dump(exclude_unset=True)

    (tmp_path / "params.yaml").write_text("replay: {rowz: 3}\n")
    with pytest.raises(ParamsError, match=r"replay\.rowz"):
        load_replay(tmp_path / "params.yaml")


def test_a_verdict_passes_unless_a_check_failed() -> None:
    assert has_passed([Check("a", "", "", None), Check("b", "", "", True)])
    assert not has_passed([Check("a", "", "", None), Check("b", "", "", False)])

"""Killed at any moment and started again, scoring neither loses nor doubles a row."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from sqlalchemy import Engine, select

from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.tables import predictions
from tests.pipeline.score_bundles import make_bundle, make_table

ROWS, CHUNK, KILLS = 12_000, 100, 6


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, a table in two formats, and its answers without any kill."""
    place = tmp_path_factory.mktemp("resume")
    make_bundle(place / "bundle")
    table = make_table(ROWS, seed=2)
    table.to_csv(place / "table.csv", index=False)
    (place / "tables").mkdir()
    for i, start in enumerate(range(0, ROWS, 5000)):
        part = table[start : start + 5000]
        part.to_parquet(place / "tables" / f"{i}.parquet", row_group_size=700)
    finish(start_run(place, place / "table.csv", place / "whole.parquet"))
    return place


def start_run(place: Path, source: Path, output: Path, *more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "pipeline.score", "--bundle", str(place / "bundle"),
               "--input", str(source), "--output", str(output), "--id", "order no",
               "--rows-per-chunk", str(CHUNK), *more]  # fmt: skip
    if "--processes" not in more:
        command += ["--processes", "1"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)


def finish(process: "subprocess.Popen[bytes]") -> None:
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()[-2000:]


def run_with_kills(
    place: Path, source: Path, output: Path, rng: np.random.Generator, *more: str
) -> int:
    """Run to the end with a kill -9 at random moments after the first part; returns the kills."""
    kills = 0
    while True:
        process = start_run(place, source, output, *more)
        before = parts_of(output)
        deadline = time.monotonic() + 60
        while process.poll() is None and parts_of(output) == before:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        if kills < KILLS and process.poll() is None:
            time.sleep(rng.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        if process.returncode == 0:
            return kills
        assert process.returncode == -signal.SIGKILL, said.decode()[-2000:]
        kills += 1
        if output.is_file() and not output.with_name(f"{output.name}.parts").exists():
            # It died with its work done; the same command says so, and clears up.
            _, said = start_run(place, source, output, *more).communicate()
            assert "is there already" in said.decode()
            return kills


def parts_of(output: Path) -> list[str]:
    directory = output if output.suffix == "" else output.with_name(f"{output.name}.parts")
    return sorted(path.name for path in directory.glob("part-*.parquet"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("table.csv", "answers.csv"),
        ("tables", "answers.parquet"),
        ("tables", "parts"),
        ("table.csv", "by-two.parquet"),
    ],
)
def test_a_killed_run_goes_on(source: str, output: str, place: Path, tmp_path: Path) -> None:
    target = tmp_path / output
    if target.suffix == "":
        target.mkdir()
    more = ["--processes", "2"] if "two" in output else []

    kills = run_with_kills(place, place / source, target, np.random.default_rng(0), *more)

    assert kills >= 3
    read = pd.read_csv if target.suffix == ".csv" else pd.read_parquet
    options = {"float_precision": "round_trip"} if target.suffix == ".csv" else {}
    answers = read(target, **options).drop(columns="problem", errors="ignore")
    whole = pd.read_parquet(place / "whole.parquet")
    pd.testing.assert_frame_equal(answers, whole, check_dtype=False)
    if target.suffix:
        assert [path.name for path in tmp_path.iterdir()] == [output]


@pytest.mark.slow
def test_a_killed_run_leaves_no_worker(place: Path, tmp_path: Path) -> None:
    process = start_run(place, place / "table.csv", tmp_path / "a.csv", "--processes", "2")
    while not parts_of(tmp_path / "a.csv"):
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)

    process.kill()
    process.communicate()

    _, alive = psutil.wait_procs(workers, timeout=20)
    assert workers
    assert not alive


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/perennial.db"
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", url)
    engine = make_engine(url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.mark.slow
def test_a_killed_run_logs_every_row_once(place: Path, tmp_path: Path, database: Engine) -> None:
    target = tmp_path / "a.parquet"

    kills = run_with_kills(place, place / "table.csv", target, np.random.default_rng(1), "--log")

    assert kills >= 3
    answers = pd.read_parquet(target)
    with database.connect() as connection:
        query = select(
            predictions.c.prediction_id, predictions.c.features, predictions.c.probability
        )
        logged = {row[0]: row for row in connection.execute(query)}
    assert set(logged) == set(answers["prediction_id"])
    assert len(logged) == len(answers) == ROWS
    for key, probability in zip(answers["prediction_id"], answers["probability"], strict=True):
        assert logged[key].probability == probability
    index = pd.read_csv(place / "table.csv")["index"].tolist()
    assert [json.loads(logged[key].features)["index"] for key in answers["prediction_id"]] == index


@pytest.mark.slow
def test_parts_of_another_run_are_not_mixed_in(place: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "table.csv", tmp_path / "a.csv"
    source.write_bytes((place / "table.csv").read_bytes())
    process = start_run(place, source, output)
    while not parts_of(output):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    lines = source.read_text().splitlines(keepends=True)
    source.write_text("".join([lines[0], *reversed(lines[1:])]))

    refused = start_run(place, source, output)
    said = refused.communicate()[1].decode()

    assert refused.returncode == 1
    assert "was begun with another input; --restart" in said
    finish(start_run(place, source, output, "--restart"))
    answers = pd.read_csv(output)["order no"].tolist()
    assert answers == pd.read_parquet(place / "whole.parquet")["order no"].tolist()[::-1]


@pytest.mark.slow
def test_two_runs_do_not_write_the_same_output(place: Path, tmp_path: Path) -> None:
    first = start_run(place, place / "table.csv", tmp_path / "a.csv")
    while not parts_of(tmp_path / "a.csv"):
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)

    second = start_run(place, place / "table.csv", tmp_path / "a.csv")
    said = second.communicate()[1].decode()

    first.send_signal(signal.SIGCONT)
    first.communicate()
    assert "another run is writing" in said
    assert second.returncode == 1
    assert first.returncode == 0

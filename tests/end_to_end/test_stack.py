"""What the README promises of `make run` and `make replay`, in a fresh clone."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import free_port
from tests.end_to_end.conftest import environment, run_in

pytestmark = pytest.mark.slow


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())


def _start(directory: Path, port: int) -> "subprocess.Popen[str]":
    variables = {**environment(), "PERENNIAL_PORT": str(port)}
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.local"], cwd=directory, env=variables,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def _read_until(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(seen[-3000:])


@pytest.fixture(scope="module")
def address(trained_clone: Path) -> Iterator[str]:
    port = free_port()
    process = _start(trained_clone, port)
    _read_until(process, "Ctrl-C stops everything")
    yield f"localhost:{port}"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "stopped" in output


def _readme_commands(directory: Path) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (directory / "README.md").read_text(), re.DOTALL)
    text = "\n".join(blocks)
    return [c for c in re.split(r"\n(?=curl)", text) if "/predict " in c]


def test_every_curl_of_the_readme_answers(trained_clone: Path, address: str) -> None:
    commands = _readme_commands(trained_clone)
    assert len(commands) == 3
    for command in commands:
        here = command.replace("localhost:8000", address)
        answer = json.loads(run_in(trained_clone, "sh", "-c", here))

        prediction_id = answer["prediction_id"][0]
        row = json.loads(_get(f"http://{address}/predictions/{prediction_id}"))
        assert row["model_version"] == answer["model_version"]
        body = json.dumps({"outcomes": [{"prediction_id": prediction_id, "outcome": 1}]})
        run_in(trained_clone, "curl", "-sf", f"http://{address}/outcomes", "-d", body,
               "-H", "Content-Type: application/json")  # fmt: skip


def test_metrics_move(trained_clone: Path, address: str) -> None:
    def count() -> float:
        found = re.findall(
            r"^perennial_predictions_total\{.*\} (\S+)$", _get(f"http://{address}/metrics"), re.M
        )
        return sum(map(float, found))

    before = count()
    command = _readme_commands(trained_clone)[0].replace("localhost:8000", address)
    run_in(trained_clone, "sh", "-c", command)
    assert count() == before + 1


def test_check_by_hand_is_listed_on_the_reports_page(trained_clone: Path, address: str) -> None:
    printed = run_in(trained_clone, sys.executable, "-m", "monitoring.check")

    assert "not enough data" in printed
    assert "not enough data" in _get(f"http://{address}/reports")


def test_second_start_takes_seconds(trained_clone: Path, address: str) -> None:
    began = time.monotonic()
    run_in(trained_clone, "dvc", "repro")

    assert time.monotonic() - began < 15


def test_replay_loses_nothing_and_promotes_under_load(trained_clone: Path) -> None:
    variables = {**environment(), "PERENNIAL_PORT": str(free_port())}
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.replay", "--until", "2013-05-05"],
        cwd=trained_clone, env=variables, timeout=900,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, (run.stdout + run.stderr)[-3000:]

    figures = json.loads((trained_clone / "benchmarks/results/replay.json").read_text())
    assert figures["requests_answered"] == figures["rows_logged"] > 30_000
    assert figures["failed_requests"] == figures["answered_but_not_logged"] == 0
    assert figures["retrains"] == 1
    assert [m["month"] for m in figures["months"]] == ["2013-04", "2013-05"]
    page = (trained_clone / "var/replay/reports/replay.html").read_text()
    assert "data:image/png" in page

"""What the README promises of `make run` and `make replay`, in a fresh clone."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local import free_port
from tests.end_to_end.conftest import environment, run_in

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Running:
    """What `make run` printed."""

    address: str
    key: str


def _get(stack: Running, path: str) -> str:
    url, headers = f"http://{stack.address}{path}", {"X-API-Key": stack.key}
    with urllib.request.urlopen(
        urllib.request.Request(url, headers=headers), timeout=10
    ) as response:
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
def stack(trained_clone: Path) -> Iterator[Running]:
    port = free_port()
    process = _start(trained_clone, port)
    printed = _read_until(process, "Ctrl-C stops everything")
    (key,) = re.findall(r"export PERENNIAL_API_KEY=(\S+)", printed)
    yield Running(f"localhost:{port}", key)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "stopped" in output


def _readme_commands(directory: Path) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (directory / "README.md").read_text(), re.DOTALL)
    text = "\n".join(blocks)
    return [c for c in re.split(r"\n(?=curl)", text) if "/predict " in c]


def _run_pasted(directory: Path, stack: Running, command: str) -> str:
    """As in a shell in which the key was exported, as `make run` says."""
    here = command.replace("localhost:8000", stack.address)
    return run_in(directory, "sh", "-c", f"export PERENNIAL_API_KEY={stack.key}\n{here}")


def test_every_curl_of_the_readme_answers(trained_clone: Path, stack: Running) -> None:
    commands = _readme_commands(trained_clone)
    assert len(commands) == 3
    for command in commands:
        answer = json.loads(_run_pasted(trained_clone, stack, command))

        prediction_id = answer["prediction_id"][0]
        row = json.loads(_get(stack, f"/predictions/{prediction_id}"))
        assert row["model_version"] == answer["model_version"]
        body = json.dumps({"outcomes": [{"prediction_id": prediction_id, "outcome": 1}]})
        run_in(trained_clone, "curl", "-sf", f"http://{stack.address}/outcomes", "--json", body,
               "-H", f"X-API-Key: {stack.key}")  # fmt: skip


def test_strangers_are_refused(stack: Running) -> None:
    for path in ("/", "/docs", "/metrics", "/reports", "/models"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            _get(Running(stack.address, "perennial_nobody"), path)


def test_metrics_move(trained_clone: Path, stack: Running) -> None:
    def count() -> float:
        found = re.findall(
            r"^perennial_predictions_total\{.*\} (\S+)$", _get(stack, "/metrics"), re.M
        )
        return sum(map(float, found))

    before = count()
    _run_pasted(trained_clone, stack, _readme_commands(trained_clone)[0])
    assert count() == before + 1


def test_check_by_hand_is_listed_on_the_reports_page(trained_clone: Path, stack: Running) -> None:
    printed = run_in(trained_clone, sys.executable, "-m", "monitoring.check")

    assert "not enough data" in printed
    assert "not enough data" in _get(stack, "/reports")


def test_second_start_takes_seconds(trained_clone: Path, stack: Running) -> None:
    began = time.monotonic()
    run_in(trained_clone, "dvc", "repro")

    assert time.monotonic() - began < 15


@pytest.mark.long
def test_replay_loses_nothing_and_promotes_under_load(trained_clone: Path) -> None:
    variables = {**environment(), "PERENNIAL_PORT": str(free_port())}
    params = trained_clone / "params.yaml"
    shipped = params.read_text()
    assert "retrain_every_days: 56" in shipped
    params.write_text(shipped.replace("retrain_every_days: 56", "retrain_every_days: 28"))
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.replay", "--until", "2013-05-05"],
        cwd=trained_clone, env=variables, timeout=900,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    params.write_text(shipped)
    assert run.returncode == 0, (run.stdout + run.stderr)[-3000:]

    figures = json.loads((trained_clone / "benchmarks/results/replay.json").read_text())
    assert figures["requests_answered"] == figures["rows_logged"] > 30_000
    assert figures["failed_requests"] == figures["answered_but_not_logged"] == 0
    assert figures["retrains"] == 1
    assert [m["month"] for m in figures["months"]] == ["2013-04", "2013-05"]
    page = (trained_clone / "var/replay/reports/replay.html").read_text()
    assert "data:image/png" in page

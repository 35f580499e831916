"""docker-compose.yml for real: `make stack-test`.

Images of others are pulled, or stood in for by Debian's packages where no registry is reached.
Where no container engine can be started these tests are skipped, and say so.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from deploy.secrets import make_secrets
from tests.stack.compose import Stack, wait_for
from tests.stack.stand_ins import docker

pytestmark = pytest.mark.slow
FLIGHT = [1020, 1200, 719, 4, 75.2, 70.1, 84.0, 190, 12.7, None, 0.3, 1007.2, 8, "UA", "EWR", "ORD"]
KILLED = ("postgres", "service", "monitoring", "prometheus", "alertmanager", "blackbox", "caddy")


@pytest.fixture(scope="module")
def stack(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    clone = tmp_path_factory.mktemp("clone") / "perennial"
    subprocess.run(["git", "clone", "-q", ".", str(clone)], check=True)
    clone.parent.parent.chmod(0o755)  # containers' users read the project
    shutil.copy("docker-compose.yml", clone)
    made = Stack(clone, images, ("grafana",) if images else ())
    make_secrets(clone / "secrets")
    try:
        made.up()
        yield made
    finally:
        made.compose("down", "-v", "-t", "5", check=False)


def test_a_request_by_https_is_a_row_in_postgresql(stack: Stack) -> None:
    answer = stack.ask("POST", "/predict", {"features": FLIGHT})

    assert answer.status == 200
    [prediction] = answer.json["prediction_id"]
    found = stack.rows(f"select count(*) from predictions where prediction_id = '{prediction}'")
    assert found == "1"


def test_nobody_gets_in_without_a_key(stack: Stack) -> None:
    assert stack.ask("POST", "/predict", {"features": FLIGHT}, key=False).status == 401


def test_only_caddy_is_published(stack: Stack) -> None:
    published = {
        row["Service"] for row in stack.containers()
        for port in row.get("Publishers") or [] if port.get("PublishedPort")
    }  # fmt: skip

    assert published == {"caddy"}


@pytest.mark.parametrize("process", ["service", "monitoring"])
def test_processes_have_no_rights_and_a_disk_they_cannot_change(stack: Stack, process: str) -> None:
    assert stack.execute(process, "id", "-u").strip() == "10001"
    status = stack.execute(process, "cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    with pytest.raises(RuntimeError, match="Read-only file system"):
        stack.execute(process, "touch", "/app/x")


def test_the_service_has_neither_dvc_nor_evidently_nor_a_compiler(stack: Stack) -> None:
    found = stack.execute(
        "service",
        "python",
        "-c",
        """
import importlib.util, shutil
names = ("dvc", "evidently", "sklearn", "pandas", "pip")
print([n for n in names if importlib.util.find_spec(n)], shutil.which("cc"), shutil.which("gcc"))
""",
    )

    assert found.strip() == "[] None None"


def test_prometheus_scrapes_both_replicas_and_evaluates_the_rules(stack: Stack) -> None:
    def up() -> bool:
        found = stack.measure("up{job=%22perennial%22}")
        return [row["value"][1] for row in found] == ["1", "1"]

    wait_for(up)
    wait_for(lambda: stack.measure("sum(perennial_predictions_total)"))
    wait_for(lambda: not stack.measure("ALERTS{alertname=%22SchedulerStopped%22}"))


def test_a_check_makes_a_report_that_the_service_shows(stack: Stack) -> None:
    rows = [[600 + n, 700 + n, 719, n % 7, *FLIGHT[4:]] for n in range(600)]
    assert stack.ask("POST", "/predict", {"instances": rows}).status == 200
    stack.execute("monitoring", "python", "-m", "monitoring.check")

    [check] = stack.ask("GET", "/checks").json["checks"][:1]
    page = stack.ask("GET", f"/reports/{check['check_id']}")
    assert page.status == 200
    assert b"<html" in page.body


def test_a_retrain_runs_in_the_container(stack: Stack) -> None:
    """Without outcomes the governor or the gate says no; training itself has to work."""
    found = stack.compose(
        "exec", "-T", "monitoring", "python", "-m", "monitoring.retrain", "now", "--reason",
        "a test", check=False, timeout=580,
    )  # fmt: skip

    assert stack.rows("select count(*) from decisions") != "0", found


@pytest.mark.parametrize("killed", KILLED)
def test_what_is_killed_comes_back_with_nothing_lost(stack: Stack, killed: str) -> None:
    before = stack.ask("POST", "/predict", {"features": FLIGHT}).json["prediction_id"][0]
    names = [row["Name"] for row in stack.containers() if row["Service"] == killed]
    pids = {docker("inspect", "--format", "{{.State.Pid}}", name) for name in names}
    for pid in pids:  # as a crash: `docker kill` would be a person's wish, which is respected
        os.kill(int(pid), 9)

    def back() -> bool:
        now = [row for row in stack.containers() if row["Service"] == killed]
        states = {docker("inspect", "--format", "{{.State.Pid}}", row["Name"]) for row in now}
        healthy = all(row["State"] == "running" and row["Health"] in ("", "healthy") for row in now)
        return healthy and not states & pids and len(now) == len(names)

    wait_for(back, 90)
    wait_for(lambda: stack.ask("POST", "/predict", {"features": FLIGHT}).status == 200)
    found = stack.rows(f"select count(*) from predictions where prediction_id = '{before}'")
    assert found == "1"

"""Releases are rolled under load, on docker-compose.yml for real: `make stack-test`.

ROLLS=20 is the bar, a kill at every step with it; by default CI's time is spared.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.secrets import make_secrets
from tests.stack.compose import COMPOSE, PORT, Stack, wait_for
from tests.stack.releases import (
    ENDS_AFTER,
    SLOW,
    release,
    release_with_another_version,
    release_with_permuted_columns,
)
from tests.stack.stand_ins import docker
from tests.stack.traffic import Traffic

pytestmark = pytest.mark.slow
REST = [70.1, 84.0, 190, 12.7, None, 0.3, 1007.2, 8, "UA", "EWR", "ORD"]
FLIGHTS = [
    [360 + 2 * n, 480 + 2 * n, 300 + 5 * n, n % 7 + 1, 40 + n / 8, *REST] for n in range(400)
]
ROLLS = int(os.environ.get("ROLLS", "2"))
KILLED_AT = ("smoke", "canary", "all", "keep") if ROLLS >= 20 else ("canary",)
NAME = "rollout"
QUICK = ("--canary-seconds", "4", "--watch-seconds", "4", "--drain-seconds", "2")
OURS = ("postgres", "migrate", "service", "caddy")
KEPT, ROLLED_BACK = 0, 3


@pytest.fixture(scope="module")
def releases(service: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    work, base = tmp_path_factory.mktemp("releases"), f"perennial/service:{NAME}"
    docker("tag", service, base)
    made = {
        "one": base,
        "two": release(f"{NAME}/two:1", base, work / "two"),
        "slow": release(f"{NAME}/slow:1", base, work / "slow", appended=SLOW),
        "ends at once": release(f"{NAME}/dead:1", base, work / "dead", lines='CMD ["false"]'),
    }
    for name, calls in (("ends on trial", 30), ("ends as canary", 150)):
        code = ENDS_AFTER.format(calls=calls)
        tag = f"{NAME}/ends{calls}:1"
        made[name] = release(tag, base, work / str(calls), appended=code)
    bundle = Path("build/bundle")
    made["bad model"] = release_with_permuted_columns(f"{NAME}/bad:1", base, bundle, work / "bad")
    return made


@pytest.fixture(scope="module")
def stack(
    others: dict[str, str], releases: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    clone = tmp_path_factory.mktemp("rolled") / "perennial"
    subprocess.run(["git", "clone", "-q", ".", str(clone)], check=True)
    clone.parent.parent.chmod(0o755)  # containers' users read the project
    for name in ("docker-compose.yml", "deploy"):
        shutil.rmtree(clone / name) if (clone / name).is_dir() else (clone / name).unlink()
        subprocess.run(["cp", "-r", name, clone], check=True)
    made = Stack(clone, {**others, "COMPOSE_PROJECT_NAME": NAME})
    make_secrets(clone / "secrets")
    (clone / ".env").write_text(f"# kept\nPERENNIAL_SERVICE_IMAGE={releases['one']}\n")
    try:
        made.compose("up", "-d", "--wait", "--pull", "missing", *OURS)
        wait_for(lambda: made.ask("POST", "/predict", {"instances": FLIGHTS}).status == 200)
        yield made
    finally:
        made.compose("--profile", "rollout", "down", "-v", "-t", "5", check=False)


def start(stack: Stack, image: str, *options: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, **stack.images, "PERENNIAL_HTTPS_PORT": str(PORT)}
    path = f"{COMPOSE.parent}:{environment['PATH']}"
    (stack.directory / ".venv-delivery").is_symlink() or (
        stack.directory / ".venv-delivery"
    ).symlink_to(COMPOSE.parent.parent)
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.rollout", image, *QUICK, *options],
        cwd=stack.directory, env={**environment, "PATH": path}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def roll(stack: Stack, image: str, *options: str) -> tuple[int, str]:
    process = start(stack, image, *options)
    said, _ = process.communicate(timeout=400)
    return process.returncode, said


def load(stack: Stack) -> Traffic:
    root = stack.execute("caddy", "cat", "/data/caddy/pki/authorities/local/root.crt")
    return Traffic(PORT, root, stack.secret("admin_key"), FLIGHTS)


def images_of(stack: Stack, service: str) -> list[str]:
    return [row["Image"] for row in stack.containers() if row["Service"] == service]


def journal(stack: Stack) -> list[dict[str, Any]]:
    lines = (stack.directory / "var/rollout/journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def settled(stack: Stack, image: str) -> None:
    """The stack is as `docker compose up` would make it, with this image."""
    assert images_of(stack, "service") == [image, image]
    assert images_of(stack, "next") == []
    assert f"PERENNIAL_SERVICE_IMAGE={image}" in (stack.directory / ".env").read_text()
    for name in ("current", "canary"):
        assert (stack.directory / "deploy/caddy/upstreams" / name).read_text() == "service"


def all_are_rows(stack: Stack, ids: list[str]) -> None:
    logged = set(stack.rows("select prediction_id from predictions").split())
    assert len(set(ids)) == len(ids)
    assert [one for one in ids if one not in logged] == []


def report(what: str, traffic: Traffic) -> None:
    """A line of figures; `pytest -s` shows it."""
    times = sorted(traffic.seconds)
    sys.stdout.write(
        f"\n{what}: {len(traffic.ids)} answered, {len(traffic.failed)} failed on"
        f" {traffic.connections} connections, p50 {times[len(times) // 2] * 1000:.0f} ms,"
        f" p99 {times[int(len(times) * 0.99)] * 1000:.0f} ms, longest {times[-1]:.2f} s\n"
    )


def test_rolling_to_the_next_release_and_back_fails_no_request(
    stack: Stack, releases: dict[str, str]
) -> None:
    seconds = []
    with load(stack) as traffic:
        for number in range(ROLLS):
            began = time.monotonic()
            image = releases["two" if number % 2 == 0 else "one"]
            code, said = roll(stack, image)
            seconds.append(time.monotonic() - began)
            assert code == KEPT, said
            settled(stack, image)
    report(f"{ROLLS} rolls, {min(seconds):.0f} to {max(seconds):.0f} s each", traffic)
    assert traffic.failed == []
    assert traffic.connections == 4
    all_are_rows(stack, traffic.ids)
    assert "# kept" in (stack.directory / ".env").read_text()


def test_a_release_brings_its_own_version_of_the_model(
    stack: Stack, releases: dict[str, str], tmp_path: Path
) -> None:
    image, version = release_with_another_version(
        f"{NAME}/own:1", releases["one"], Path("build/bundle"), tmp_path / "own"
    )
    with load(stack) as traffic:
        code, said = roll(stack, image, "--promote")
    report("its own version", traffic)
    assert code == KEPT, said
    assert traffic.failed == []
    settled(stack, image)
    all_are_rows(stack, traffic.ids)
    answered = stack.ask("POST", "/predict", {"instances": FLIGHTS[:1]}).body
    assert json.loads(answered)["model_version"] == version


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("bad model", ("--promote",), "its answers differ"),
        ("slow", (), "p95 of /predict"),
        ("ends at once", (), ""),
        ("ends on trial", (), "on logged rows"),
    ],
)
def test_a_bad_release_is_rolled_back_and_nobody_notices(
    stack: Stack, releases: dict[str, str], name: str, options: tuple[str, ...], why: str
) -> None:
    [before] = set(images_of(stack, "service"))
    with load(stack) as traffic:
        code, said = roll(stack, releases[name], *options)
        time.sleep(1)
    report(name, traffic)
    sys.stdout.write(said)
    assert code == ROLLED_BACK, said
    assert why in said
    assert traffic.failed == []
    settled(stack, before)
    all_are_rows(stack, traffic.ids)


def test_a_release_that_crashes_as_canary_is_rolled_back(
    stack: Stack, releases: dict[str, str]
) -> None:
    """Requests that were inside a process when it ended cannot be saved; few are."""
    [before] = set(images_of(stack, "service"))
    with load(stack) as traffic:
        code, said = roll(stack, releases["ends as canary"], "--canary-seconds", "60")
    report("ends as canary", traffic)
    sys.stdout.write("\n".join([said, *traffic.failed]))
    assert code == ROLLED_BACK, said
    assert len(traffic.failed) <= 20
    settled(stack, before)
    all_are_rows(stack, traffic.ids)


def test_a_second_rollout_is_refused(stack: Stack, releases: dict[str, str]) -> None:
    [before] = set(images_of(stack, "service"))
    first = start(stack, before)
    wait_for(lambda: (stack.directory / "var/rollout/state.json").exists())
    time.sleep(1)
    code, said = roll(stack, releases["two"])
    first.communicate(timeout=400)
    assert code == 1
    assert "another rollout runs" in said
    assert first.returncode == KEPT


@pytest.mark.parametrize("step", KILLED_AT)
def test_a_killed_rollout_leaves_traffic_served_and_the_next_one_ends_it(
    stack: Stack, releases: dict[str, str], step: str
) -> None:
    [before] = set(images_of(stack, "service"))
    image = releases["two"] if before == releases["one"] else releases["one"]
    with load(stack) as traffic:
        seen = (
            len(journal(stack)) if (stack.directory / "var/rollout/journal.jsonl").exists() else 0
        )
        process = start(stack, image)
        wait_for(lambda: step in [line["step"] for line in journal(stack)[seen:]], 120)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        code, said = roll(stack, image)
        while "another rollout runs" in said:  # a command of the killed one does, and has its lock
            time.sleep(1)
            code, said = roll(stack, image)
    report(f"killed at {step}", traffic)
    assert code == KEPT, said
    assert ("finish" if step == "keep" else "undo") in [
        line["step"] for line in journal(stack)[seen:]
    ]
    assert traffic.failed == []
    settled(stack, image)

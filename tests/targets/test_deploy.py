"""`make deploy-...` calls the clouds' tools in order, by digest; or it only prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.targets import azure, ecs, kubernetes
from deploy.targets.commands import DeployError, Release
from tests.targets.manifests import OVERLAYS, ROOT, overlay

SERVICE = f"r.example/perennial/service@sha256:{'1' * 64}"
MONITORING = f"r.example/perennial/monitoring@sha256:{'2' * 64}"
RELEASE = Release(SERVICE, MONITORING)
PLACES = {
    "kubernetes": ["--place", "production"],
    "ecs": [],
    "cloudrun": ["--project", "a-project", "--region", "europe-west1"],
    "azure": ["--subscription", "s", "--group", "g", "--location", "westeurope",
              "--registry", "r.example", "--vault", "v"],
}  # fmt: skip


def deploy(target: str, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "deploy.targets", target, *PLACES[target], *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


class Tool:
    """Stands in for the clouds' tools: remembers commands, answers and fails as it is told."""

    def __init__(self, answers: dict[str, str] | None = None, fails: str = "") -> None:
        self.commands: list[str] = []
        self.given: list[str] = []
        self._answers = answers or {}
        self._fails = fails

    def __call__(self, command: list[str], given: str = "") -> str:
        line = " ".join(command)
        self.commands.append(line)
        self.given.append(given)
        if self._fails and self._fails in line:
            raise DeployError(line)
        return next((text for part, text in self._answers.items() if part in line), "")


@pytest.mark.parametrize("target", PLACES)
def test_dry_run_prints_the_migration_before_the_processes(target: str) -> None:
    if target == "kubernetes":
        overlay("production")  # skips where there is no kubectl
    found = deploy(target, "--image", SERVICE, "--monitoring-image", MONITORING, "--dry-run")

    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    migrated = max(i for i, line in enumerate(lines) if "migrate" in line)
    shifted = {"kubernetes": "rollout status", "ecs": "update-service",
               "cloudrun": "services replace", "azure": "containerapp update"}  # fmt: skip
    assert migrated < min(i for i, line in enumerate(lines) if shifted[target] in line)


@pytest.mark.parametrize(
    "image", ["perennial/service:latest", f"x@sha256:{'0' * 64}", "x@sha256:1"]
)
def test_what_is_no_digest_is_refused(image: str) -> None:
    found = deploy("ecs", "--image", image, "--monitoring-image", MONITORING, "--dry-run")

    assert found.returncode == 2
    assert "is not NAME@sha256:" in found.stderr


@pytest.mark.parametrize("place", OVERLAYS[:2])
def test_manifest_has_the_release_and_nothing_of_no_image(place: str) -> None:
    overlay(place)
    tool = Tool()
    kubernetes.deploy(RELEASE, place, tool)

    applied = tool.given[-3] or tool.given[3]
    assert applied.count(SERVICE) == 2
    assert applied.count(MONITORING) == 1
    assert "sha256:000" not in applied


def test_a_rollout_that_does_not_become_ready_is_undone() -> None:
    overlay("production")
    tool = Tool(fails="rollout status deployment/perennial-service")

    with pytest.raises(DeployError, match="rolled back"):
        kubernetes.deploy(RELEASE, "production", tool)
    assert [line.split()[-1] for line in tool.commands[-2:]] == [
        "deployment/perennial-service",
        "deployment/perennial-monitoring",
    ]
    assert all("rollout undo" in line for line in tool.commands[-2:])


def test_a_failed_migration_stops_before_the_processes() -> None:
    overlay("production")
    tool = Tool(fails="kubectl --namespace perennial wait")

    with pytest.raises(DeployError):
        kubernetes.deploy(RELEASE, "production", tool)
    assert sum("apply" in line for line in tool.commands) == 1


TASK = {
    "family": "perennial-service", "cpu": "512", "revision": 7, "status": "ACTIVE",
    "taskDefinitionArn": "arn:7", "registeredAt": "yesterday",
    "containerDefinitions": [{"name": "service", "image": "old", "user": "10001:10001"}],
}  # fmt: skip


def test_next_revision_differs_by_its_image_only() -> None:
    assert ecs.with_images(TASK, SERVICE) == {
        "family": "perennial-service",
        "cpu": "512",
        "containerDefinitions": [{"name": "service", "image": SERVICE, "user": "10001:10001"}],
    }


def ecs_tool(*, exit_code: str = "0", runs: str = "arn:8") -> Tool:
    service = {"networkConfiguration": {"awsvpcConfiguration": {}}, "taskDefinition": runs}
    return Tool(
        {
            "describe-task-definition": json.dumps(TASK),
            "register-task-definition": '"arn:8"',
            "describe-services": json.dumps(service),
            "run-task": '"arn:task"',
            "describe-tasks": exit_code,
        }
    )


def test_ecs_updates_both_services_to_what_it_registered() -> None:
    tool = ecs_tool()
    ecs.deploy(RELEASE, "perennial", tool)

    updates = [line for line in tool.commands if "update-service" in line]
    assert len(updates) == 2
    assert all(line.endswith("--task-definition arn:8") for line in updates)


def test_ecs_stops_when_the_migration_fails() -> None:
    tool = ecs_tool(exit_code="1")

    with pytest.raises(DeployError, match="the migration ended with 1"):
        ecs.deploy(RELEASE, "perennial", tool)
    assert not any("update-service" in line for line in tool.commands)


def test_ecs_says_when_the_circuit_breaker_went_back() -> None:
    with pytest.raises(DeployError, match="service went back to arn:7"):
        ecs.deploy(RELEASE, "perennial", ecs_tool(runs="arn:7"))


def test_azure_stops_when_the_migration_fails(tmp_path: Path) -> None:
    tool = Tool({"job start": "an-execution\n", "execution show": "Failed\n"})
    place = azure.Place("s", "g", "westeurope", "r.example", "v")

    with pytest.raises(DeployError, match="ended as Failed"):
        azure.deploy(RELEASE, place, tool, tmp_path, first=True)
    assert not any("containerapp create" in line for line in tool.commands)


def test_a_tool_that_is_missing_is_named() -> None:
    command = [sys.executable, "-m", "deploy.targets", "azure", *PLACES["azure"],
               "--image", SERVICE, "--monitoring-image", MONITORING]  # fmt: skip
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={"PATH": "/nowhere"}
    )

    assert found.returncode == 1
    assert "az is not installed" in found.stderr

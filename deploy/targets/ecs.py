"""Deploy a release to ECS: revisions with its images, the migration, then both services.

A service whose new tasks do not become healthy goes back by itself: its deployment circuit breaker.
"""

import json
from typing import Any

from deploy.targets.commands import DeployError, Release, Run

PROCESSES = ("migrate", "service", "monitoring")
# What describe-task-definition adds and register-task-definition refuses.
ADDED = (
    "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities",
    "registeredAt", "registeredBy", "deregisteredAt",
)  # fmt: skip


def deploy(release: Release, cluster: str, run: Run) -> None:
    """Deploy to the services `service` and `monitoring` of a cluster.

    Raises:
        DeployError: the migration failed, or the services did not become stable with the release.
    """
    made = {process: _register(cluster, process, release, run) for process in PROCESSES}
    _migrate(cluster, made["migrate"], run)
    ecs = ["aws", "ecs"]
    for process in PROCESSES[1:]:
        where = ["--cluster", cluster, "--service", process]
        run([*ecs, "update-service", *where, "--task-definition", made[process]], "")
    run([*ecs, "wait", "services-stable", "--cluster", cluster, "--services", *PROCESSES[1:]], "")
    for process in PROCESSES[1:]:
        service = _service(cluster, process, run)
        if service and service["taskDefinition"] != made[process]:
            raise DeployError(f"{process} went back to {service['taskDefinition']}")


def with_images(task: dict[str, Any], image: str) -> dict[str, Any]:
    """What registers the next revision of a described task definition."""
    kept = {name: value for name, value in task.items() if name not in ADDED}
    containers = [{**each, "image": image} for each in kept["containerDefinitions"]]
    return {**kept, "containerDefinitions": containers}


def _register(cluster: str, process: str, release: Release, run: Run) -> str:
    family = f"{cluster}-{process}"
    command = ["aws", "ecs", "describe-task-definition", "--task-definition", family]
    found = run([*command, "--query", "taskDefinition"], "")
    task = json.loads(found) if found else {"family": family, "containerDefinitions": [{}]}
    image = release.monitoring if process == "monitoring" else release.service
    given = json.dumps(with_images(task, image))
    command = ["aws", "ecs", "register-task-definition", "--cli-input-json", given]
    answer = run([*command, "--query", "taskDefinition.taskDefinitionArn"], "")
    return str(json.loads(answer)) if answer else f"{family}:NEXT"


def _service(cluster: str, process: str, run: Run) -> dict[str, Any]:
    command = ["aws", "ecs", "describe-services", "--cluster", cluster, "--services", process]
    found = run([*command, "--query", "services[0]"], "")
    return dict(json.loads(found)) if found else {}


def _migrate(cluster: str, task: str, run: Run) -> None:
    """Run it once, where the service runs."""
    network = _service(cluster, "service", run).get("networkConfiguration", {})
    where = ["--cluster", cluster, "--launch-type", "FARGATE", "--task-definition", task]
    command = ["aws", "ecs", "run-task", *where, "--network-configuration", json.dumps(network)]
    answer = run([*command, "--query", "tasks[0].taskArn"], "")
    arn = str(json.loads(answer)) if answer else "TASK"
    run(["aws", "ecs", "wait", "tasks-stopped", "--cluster", cluster, "--tasks", arn], "")
    command = ["aws", "ecs", "describe-tasks", "--cluster", cluster, "--tasks", arn]
    code = run([*command, "--query", "tasks[0].containers[0].exitCode"], "").strip()
    if code not in ("", "0"):
        raise DeployError(f"the migration ended with {code}; its log is in /{cluster}/migrate")

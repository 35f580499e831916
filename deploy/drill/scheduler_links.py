"""Links of the scheduler: it shows that it lives, its death is noticed, its heir clears up."""

import os
import re
import signal
import time
from typing import Any

import yaml

from contracts.tables import SCHEDULER
from deploy.drill.place import RULES
from deploy.drill.stage import LinkBrokenError, Stage
from monitoring import leases
from monitoring.attempts import LEASE
from monitoring.heartbeat import ALIVE

METRIC = "perennial_scheduler_alive_until_timestamp_seconds"
LOOK_SECONDS = 30.0  # between two looks of the service into the database
RULE = "SchedulerStopped"
COMPARED = re.compile(r"time\(\) > (?:max\()?(perennial_\w+)")
RETRAIN_SECONDS, CLEAR_SECONDS = 60.0, 90.0


def heartbeat(stage: Stage) -> str:
    """The scheduler's sign of life is in /metrics; then its process is killed."""
    missing = "no scheduler has shown a sign of life on /metrics"
    stage.wait(lambda: _lives(stage) or None, LOOK_SECONDS + 15, missing)
    scheduler, _service = stage.processes
    os.killpg(scheduler.pid, signal.SIGKILL)
    scheduler.wait()
    return "it was seen alive on /metrics, and then killed"


def deadman(stage: Stage) -> str:
    """Kill a retrain too. Nobody clears up, and the rule's expression becomes true."""
    metric = _compared_metric(stage)
    stage.leftover = _kill_a_retrain(stage)
    stage.wait(
        lambda: (stage.metric(metric) or 0) < time.time() or None,
        ALIVE.total_seconds() + LOOK_SECONDS,
        f"{metric} still says that a scheduler lives",
    )
    row = stage.newest_retrain()
    if row.state != "started":
        raise LinkBrokenError(f"without a scheduler the killed retrain became {row.state!r}")
    return f"{RULE} fires: {metric} has passed"


def recovery(stage: Stage) -> str:
    """A new scheduler buries the retrain, removes its working copy and shows that it lives."""
    if stage.cut.restarts:
        stage.start("monitoring.scheduler")
    began = time.monotonic()

    def buried() -> str | None:
        row = stage.newest_retrain()
        gone = not (stage.settings.work_dir / stage.leftover).exists()
        return str(row.state) if row.state != "started" and gone else None

    state = stage.wait(buried, CLEAR_SECONDS, "the killed retrain was not cleared away")
    if state != "failed":
        raise LinkBrokenError(f"the killed retrain became {state!r}")
    seconds = time.monotonic() - began
    with stage.engine.connect() as connection:
        running = leases.running(connection, LEASE, leases.utc_now(), leases.LENGTH)
    if running is not None:
        raise LinkBrokenError(f"the lease is stuck: {running}")
    stage.wait(lambda: _lives(stage) or None, LOOK_SECONDS + 15, f"{SCHEDULER} shows no life")
    return f"the killed retrain was marked failed and cleared away after {seconds:.0f} s"


def _lives(stage: Stage) -> bool:
    return (stage.metric(METRIC) or 0) > time.time()


def _compared_metric(stage: Stage) -> str:
    """What the dead-man's switch looks at."""
    groups: list[dict[str, Any]] = yaml.safe_load((stage.project / RULES).read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"] if rule.get("alert") == RULE]
    found = COMPARED.search(rules[0]["expr"]) if rules else None
    if found is None:
        raise LinkBrokenError(f"{RULES} holds no rule {RULE} that compares with time()")
    return found[1]


def _kill_a_retrain(stage: Stage) -> str:
    """Begin one as a person does, and kill it in the midst; its id."""
    before = stage.newest_retrain().retrain_id
    process = stage.start("monitoring.retrain", "now", "--reason", "fire drill: to be killed")

    def at_work() -> str | None:
        row = stage.newest_retrain()
        is_new = row.retrain_id != before and row.state == "started"
        copied = (stage.settings.work_dir / row.retrain_id / "dvc.yaml").exists()
        return str(row.retrain_id) if is_new and copied else None

    try:
        return stage.wait(at_work, RETRAIN_SECONDS, "a retrain to be killed did not begin")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

"""From one release to the next: try, install, canary, all, promote, then keep or go back."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.rollout.compose import PORT, HostError
from deploy.rollout.host import Host
from deploy.rollout.judge import Limits, Traffic, traffic, watch
from deploy.rollout.record import Record
from deploy.rollout.trial import PROBES, BadReleaseError, smoke, try_alone

POLL_SECONDS = 1.0
NOTHING = Traffic(0, 0)


@dataclass(frozen=True)
class Plan:
    """What to roll, and how carefully; seconds."""

    image: str
    promote: bool = False
    rows: int = 500
    least_rows: int = 50
    canary_seconds: float = 60.0
    watch_seconds: float = 120.0
    drain_seconds: float = 5.0
    limits: Limits = field(default_factory=Limits)


class UnfinishedError(RuntimeError):
    """The release was judged good and answers, but the host is not as it should be."""


def recover(host: Host, record: Record, drain_seconds: float) -> None:
    """Finish or undo what a rollout that was killed left behind.

    Raises:
        HostError, UnfinishedError: whoever answered goes on answering.
    """
    state = record.read()
    if state.get("phase") == "kept":
        record.note("finish", image=state["image"], why="a rollout ended after its decision")
        _settle(host, record, str(state["image"]), drain_seconds)
    elif state or host.pointed() != ("service", "service"):
        record.note("undo", image=state.get("image"), why="a rollout ended before its decision")
        _go_back(host, record, drain_seconds)


def roll(host: Host, record: Record, plan: Plan) -> None:
    """Replace the present release, or go back to it.

    Raises:
        BadReleaseError: the present release answers, as before.
        UnfinishedError: the new one answers; run it again.
        HostError: the image cannot be had; nothing was done.
    """
    host.fetch(plan.image)
    record.note("begin", image=plan.image, present=host.present_image(), promote=plan.promote)
    record.write(phase="trying", image=plan.image)
    try:
        _try(host, record, plan)
    except (BadReleaseError, HostError, KeyboardInterrupt) as error:
        why = str(error) or "interrupted"
        record.note("roll back", why=why)
        _go_back(host, record, plan.drain_seconds)
        record.note("rolled back", image=plan.image)
        raise BadReleaseError(why) from None
    record.note("keep", image=plan.image)
    _settle(host, record, plan.image, plan.drain_seconds)
    record.note("done", image=plan.image)


def _try(host: Host, record: Record, plan: Plan) -> None:
    version = try_alone(
        host, record, plan.image, own_model=plan.promote, limits=plan.limits, rows=plan.rows,
        least=plan.least_rows,
    )  # fmt: skip
    host.install(plan.image)
    record.note("installed")
    host.start_next(plan.image)
    champion = next(one["version"] for one in look(host) if one["name"] == "service")
    smoke(host, "next", champion)
    record.note("smoke", on="next", version=champion)
    host.point("service", "next")
    record.note("canary", seconds=plan.canary_seconds)
    usual = _watch(host, record, plan, plan.canary_seconds, NOTHING)
    host.point("next", "next")
    record.note("all", seconds=plan.watch_seconds)
    usual = _watch(host, record, plan, plan.watch_seconds, usual)
    if plan.promote and version != champion:
        record.write(phase="trying", image=plan.image, promoted=version)
        _registry(host, "promote", version, "--reason", f"release {plan.image}"[:200])
        record.note("promoted", version=version, before=champion)
        _wait_for_version(host, version)
        _watch(host, record, plan, plan.watch_seconds, usual)


def _settle(host: Host, record: Record, image: str, drain_seconds: float) -> None:
    """The new release becomes `service`; `next` answers meanwhile."""
    record.write(phase="kept", image=image)
    try:
        if host.pointed() != ("next", "next"):  # what was killed had got further
            host.point("service", "service")
        host.remember(image)
        time.sleep(drain_seconds)
        host.restart_service()
        host.point("service", "service")
        time.sleep(drain_seconds)
        host.stop_next()
    except HostError as error:
        raise UnfinishedError(f"the release answers, and is not settled: {error}") from None
    record.write()


def _go_back(host: Host, record: Record, drain_seconds: float) -> None:
    """The present release answers again; then the new one ends.

    Raises:
        UnfinishedError: it may go on answering.
    """
    try:
        _undo(host, record, drain_seconds)
    except HostError as error:
        raise UnfinishedError(f"going back did not end: {error}") from None


def _undo(host: Host, record: Record, drain_seconds: float) -> None:
    promoted = record.read().get("promoted")
    if promoted is not None and promoted in {one.get("version") for one in look(host)}:
        _registry(host, "rollback", "--reason", "the release was rolled back")
        record.note("model back", version=promoted)
    if host.pointed() != ("service", "service"):
        host.point("service", "service")
        time.sleep(drain_seconds)
    host.stop_next()
    record.write()


def look(host: Host) -> list[dict[str, Any]]:
    """Every replica of both releases, as probes/vitals.py prints it."""
    said = host.run("service", PROBES / "vitals.py", str(PORT), "service", "next")
    found: list[dict[str, Any]] = json.loads(said)
    return found


def _watch(host: Host, record: Record, plan: Plan, seconds: float, usual: Traffic) -> Traffic:
    """Look again and again; returns what the present release did meanwhile, or before.

    Raises:
        BadReleaseError: a look found something.
    """
    first = look(host)
    if len(_of("next", first)) != len(host.containers("next")):
        raise BadReleaseError("not every new replica can be reached")
    end = time.monotonic() + seconds
    suspected = False  # one look may fail for reasons of the machine's
    while True:
        time.sleep(POLL_SECONDS)
        now = look(host)
        new = traffic(_of("next", first), _of("next", now))
        old = traffic(_of("service", first), _of("service", now))
        usual = old if old.requests >= plan.limits.requests else usual
        problems = watch(_of("next", first), _of("next", now), new, usual, plan.limits)
        over = bool(problems and suspected) or time.monotonic() > end
        if over:
            facts = {"requests": new.requests, "failed": new.failed, "p95": new.p95}
            record.note("watched", **facts, before=usual.p95)
            if problems:
                raise BadReleaseError("; ".join(problems))
            return usual
        suspected = bool(problems)


def _of(name: str, replicas: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in replicas if one["name"] == name]


def _registry(host: Host, *arguments: str) -> None:
    host.run("service", PROBES / "registry.py", *arguments)


def _wait_for_version(host: Host, version: str, seconds: float = 15.0) -> None:
    """Until every new replica answers by it."""
    end = time.monotonic() + seconds
    while {one.get("version") for one in _of("next", look(host))} != {version}:
        if time.monotonic() > end:
            raise BadReleaseError(f"the new replicas do not answer by {version}")
        time.sleep(POLL_SECONDS)

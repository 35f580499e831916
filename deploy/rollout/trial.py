"""A release by itself, before any request reaches it: smoke, and its answers to logged rows."""

import json
import time
from pathlib import Path
from typing import Any

from deploy.rollout.compose import PORT, HostError
from deploy.rollout.host import Host
from deploy.rollout.judge import SAME_MODEL, Limits, compare
from deploy.rollout.record import Record

SMOKE = Path(__file__).parent.parent / "smoke.py"
PROBES = Path(__file__).parent / "probes"
READY_SECONDS = 60.0
HERE = f"http://127.0.0.1:{PORT}"


class BadReleaseError(RuntimeError):
    """The release is not to be kept; the message says why."""


def smoke(host: Host, place: str, version: str | None, key: str = "") -> str:
    """Run deploy/smoke.py inside one container; returns the model's version.

    Raises:
        BadReleaseError: with the line of what failed.
    """
    wanted = [] if version is None else ["--version", version]
    try:
        said = host.run(place, SMOKE, "--url", HERE, *wanted, key=key)
    except HostError as error:
        raise BadReleaseError(f"smoke: {str(error).splitlines()[-1]}") from None
    [found] = [line.split()[-1] for line in said.splitlines() if line.startswith("ok      version")]
    return found


def try_alone(
    host: Host,
    record: Record,
    image: str,
    *,
    own_model: bool,
    limits: Limits,
    rows: int,
    least: int,
) -> str:
    """Smoke a release and compare its answers with those that were logged.

    Args:
        own_model: whether it answers by the bundle that it carries, which is to be promoted, or by
            today's champion, to which it then has to give the same answers.
        rows: most logged rows to ask.
        least: with fewer, an own model is refused, and the same model not compared.

    Returns:
        The model's version.

    Raises:
        BadReleaseError: it failed, or answers otherwise than it may.
    """
    logged = json.loads(host.run("service", PROBES / "recent_rows.py", str(rows)))
    present = [(prediction, prediction if s is None else s) for _, prediction, s in logged["rows"]]
    with host.trial(image, None if own_model else logged["version"]) as key:
        _wait(host, key)
        version = smoke(host, "trial", None, key)
        record.note("smoke", on="trial", version=version)
        if len(present) < least:
            if own_model:
                raise BadReleaseError(
                    f"{len(present)} logged rows cannot judge a model, {least} can; let the "
                    "champion answer more, or say --least-rows 0"
                )
            record.note("not compared", why=f"only {len(present)} rows are logged")
            return version
        new = (
            _answers(host, [features for features, _, _ in logged["rows"]], key) if present else []
        )
    if new:
        figures, problems = compare(present, new, limits if own_model else SAME_MODEL)
        record.note("compared", **figures)
        if problems:
            raise BadReleaseError("its answers differ: " + "; ".join(problems))
    return version


def _wait(host: Host, key: str) -> None:
    """Until it is ready to be smoked."""
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            [found] = json.loads(
                host.run("trial", PROBES / "vitals.py", str(PORT), "127.0.0.1", key=key)
            )
            if found["ready"]:
                return
            problem = found["problem"]
        except HostError as error:
            problem = str(error)
        if time.monotonic() > end or "is not running" in problem:
            raise BadReleaseError(f"it does not start: {problem}; {host.trial_log()}")
        time.sleep(0.5)


def _answers(host: Host, rows: list[Any], key: str) -> list[tuple[Any, float]]:
    try:
        script, at = PROBES / "answers.py", f"127.0.0.1:{PORT}"
        said = host.run("trial", script, at, stdin=json.dumps(rows), key=key)
    except HostError as error:
        raise BadReleaseError(f"on logged rows {error}") from None
    return [(prediction, score) for prediction, score in json.loads(said)]

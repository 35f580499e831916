"""Whether the service can answer, and what is wrong though it can."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from service.ledger.health import ALERT_FILL
from service.parts import Parts
from service.versions.champion import ChampionWatcher

Status = Literal["ready", "degraded", "not ready"]


def assess(parts: Parts) -> dict[str, Any]:
    """The content of /health/ready.

    `status` is "ready"; "degraded": answers, but `problems` say what needs somebody's eye; or
    "not ready": /predict cannot answer.
    """
    watcher, ledger = parts.watcher, parts.ledger.health()
    serving = watcher.serving
    hindrances = list(_hindrances(watcher, ledger))
    problems = [*hindrances, *_problems(watcher, ledger)]
    others = (parts.access.problem, parts.limits.problem)
    problems += [problem for problem in others if problem is not None]
    status: Status = "not ready" if hindrances else "degraded" if problems else "ready"
    return {
        "status": status,
        "model_version": serving.version if serving else None,
        "problem": problems[0] if problems else None,
        "problems": problems,
        "database_reachable": watcher.database_reachable,
        "keys_age_seconds": round(parts.access.keys_age_seconds, 3),
        "workers": parts.settings.workers,
        "ledger": ledger,
    }


def _hindrances(watcher: ChampionWatcher, ledger: Mapping[str, Any]) -> Iterator[str]:
    """Why /predict cannot answer."""
    if watcher.serving is None:
        yield _champion_problem(watcher) or "no version has been promoted yet"
    if ledger["mode"] == "spooling" and ledger["spool_fill"] >= 1.0:
        yield "the database is away and the spool is full"


def _problems(watcher: ChampionWatcher, ledger: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong though /predict answers. A mode that somebody chose is not."""
    problem = _champion_problem(watcher)
    if watcher.serving is not None and problem is not None:
        yield problem
    if ledger["mode"] == "spooling":
        yield f"{ledger['waiting_rows']} rows wait in the spool for the database"
    if ALERT_FILL <= ledger["spool_fill"]:
        yield f"the spool has used {ledger['spool_fill']:.0%} of its budget"
    if ledger["quarantined"]:
        yield f"{ledger['quarantined']} rows are in the spool's quarantine"
    if not ledger["balanced"]:
        yield "answered rows are missing from the ledger"


def _champion_problem(watcher: ChampionWatcher) -> str | None:
    """Strangers may ask, and a database's own words may hold its address."""
    return watcher.problem if watcher.database_reachable else "the database cannot be read"

"""Whether the service can answer, and what is wrong though it can."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from service.parts import Parts

Status = Literal["ready", "degraded", "not ready"]

SPOOL_ALERT = 0.8  # share of the disk budget


def assess(parts: Parts) -> dict[str, Any]:
    """The content of /health/ready.

    `status` is "ready"; "degraded": answers, but `problems` say what needs somebody's eye; or
    "not ready": /predict cannot answer.
    """
    watcher, ledger = parts.watcher, ledger_health(parts)
    serving = watcher.serving
    hindrances = list(_hindrances(parts, ledger))
    problems = [*hindrances, *_problems(parts, ledger)]
    status: Status = "not ready" if hindrances else "degraded" if problems else "ready"
    return {
        "status": status,
        "model_version": serving.version if serving else None,
        "problem": problems[0] if problems else None,
        "problems": problems,
        "database_reachable": watcher.database_reachable,
        "durability": parts.settings.durability,
        "workers": parts.settings.workers,
        "ledger": ledger,
    }


def ledger_health(parts: Parts) -> Mapping[str, Any]:
    return getattr(parts.ledger, "health", dict)()


def _hindrances(parts: Parts, ledger: Mapping[str, Any]) -> Iterator[str]:
    """Why /predict cannot answer."""
    watcher = parts.watcher
    if watcher.serving is None:
        yield watcher.problem or "no version has been promoted yet"
    if not watcher.database_reachable and "fill" not in ledger:
        yield "the database cannot be read"
    if ledger.get("fill", 0.0) >= 1.0:
        yield "the spool is full; nothing more can be made durable"


def _problems(parts: Parts, ledger: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong though /predict answers."""
    watcher = parts.watcher
    if watcher.serving is not None and watcher.problem is not None:
        yield watcher.problem
    if not watcher.database_reachable and "fill" in ledger:
        yield "the database cannot be read"
    if ledger.get("mode", "direct") != "direct":
        yield f"{ledger.get('spooled', 0)} rows wait in the spool for the database"
    if SPOOL_ALERT <= ledger.get("fill", 0.0) < 1.0:
        yield f"the spool has used {ledger['fill']:.0%} of its budget"
    if ledger.get("quarantined"):
        yield f"{ledger['quarantined']} records are in quarantine"
    if not ledger.get("balanced", True):
        yield "the rows answered are not the rows stored and spooled"
    access: str | None = getattr(parts.access, "problem", None)
    if access is not None:
        yield access

"""Liveness, readiness and metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.parts import PartsDep, json_response

router = APIRouter()


@router.get("/health/live", summary="Whether the process should keep running")
async def get_live(parts: PartsDep) -> Response:
    if parts.ledger.alive:
        return json_response({"status": "alive"})
    return json_response({"status": "dead", "problem": "the ledger's thread ended"}, 503)


@router.get("/health/ready", summary="Whether /predict can answer")
async def get_ready(parts: PartsDep) -> Response:
    """Ready = a version answers, even if it is not yet the one that the registry names."""
    watcher = parts.watcher
    serving = watcher.serving
    ready = serving is not None and watcher.database_reachable
    problem = watcher.problem
    if serving is None and problem is None:
        problem = "no version has been promoted yet"
    content = {
        "status": "ready" if ready else "not ready",
        "model_version": serving.version if serving else None,
        "problem": problem,
        "ledger": parts.ledger.health(),
    }
    return json_response(content, 200 if ready else 503)


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_metrics(parts: PartsDep) -> Response:
    return Response(parts.metrics.render(), media_type=CONTENT_TYPE_LATEST)

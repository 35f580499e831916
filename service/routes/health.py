"""Liveness, readiness and metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.observe.readiness import assess
from service.parts import PartsDep, json_response

router = APIRouter()


@router.get("/health/live", summary="Whether the process should keep running")
async def get_live(parts: PartsDep) -> Response:
    if parts.ledger.alive:
        return json_response({"status": "alive"})
    return json_response({"status": "dead", "problem": "the ledger's thread ended"}, 503)


@router.get("/health/ready", summary="Whether /predict can answer")
async def get_ready(parts: PartsDep) -> Response:
    """Ready; degraded: answers, but needs somebody's eye (still 200); or not ready, and why.

    A version that answers is enough, even if it is not yet the one that the registry names.
    """
    content = assess(parts)
    return json_response(content, 503 if content["status"] == "not ready" else 200)


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_metrics(parts: PartsDep) -> Response:
    return Response(parts.metrics.render(), media_type=CONTENT_TYPE_LATEST)

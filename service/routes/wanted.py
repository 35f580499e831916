"""GET /outcomes/wanted: the predictions whose true labels would help most."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.answer.wanted import most_wanted
from service.parts import PartsDep, json_response
from service.queries import sample_unlabelled

router = APIRouter()
MOST = 1000
CANDIDATES = 4000


@router.get("/outcomes/wanted", summary="Predictions whose true labels would help most")
def get_wanted_outcomes(
    parts: PartsDep,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    older_than_hours: Annotated[float, Query(ge=0, le=87_600)] = 24,
    newer_than_days: Annotated[float, Query(gt=0, le=3650)] = 28,
) -> Response:
    """Without an outcome, old enough to have one, the most wanted first.

    Chosen from at most 4,000 rows of that time, drawn uniformly in the database: those whose
    answer is unsure, and that are unlike each other.
    """
    schema, now = parts.watcher.require().schema, parts.clock()
    start, end = now - timedelta(days=newer_than_days), now - timedelta(hours=older_than_hours)
    with parts.engine.connect() as connection:
        found = sample_unlabelled(connection, start, end, CANDIDATES)
    wanted = most_wanted(found, schema, limit)
    return json_response({"wanted": wanted, "candidates": len(found)})

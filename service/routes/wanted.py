"""GET /outcomes/wanted: the predictions whose true labels would help most."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from contracts.schema import FeatureSchema
from service.answer.wanted import fits, pick, uncertainty
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
    candidates = [row for row in found if fits(row["features"], schema)]
    return json_response({"wanted": _wanted(candidates, schema, limit), "candidates": len(found)})


def _wanted(
    candidates: list[dict[str, Any]], schema: FeatureSchema, limit: int
) -> list[dict[str, Any]]:
    task = schema.target.task
    unsure = [uncertainty(task, row["probability"], row["scores"]) for row in candidates]
    chosen = pick(unsure, [row["features"] for row in candidates], schema, limit)
    return [{**candidates[index], "uncertainty": unsure[index]} for index in chosen]

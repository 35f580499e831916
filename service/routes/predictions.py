"""GET /predictions/{id}: one logged row, what became true of it, and why it was answered so."""

from typing import Any

from fastapi import APIRouter, Response

from service.parts import Parts, PartsDep, json_response
from service.queries import find_prediction

router = APIRouter()


@router.get(
    "/predictions/{prediction_id}",
    summary="One prediction and its outcomes",
    responses={404: {"description": "no prediction has this id"}},
)
def get_prediction(prediction_id: str, parts: PartsDep) -> Response:
    return json_response(_find(parts, prediction_id))


@router.get(
    "/predictions/{prediction_id}/explanation",
    summary="What each feature contributed to one prediction",
    responses={
        404: {"description": "no prediction has this id"},
        410: {"description": "the bundle of the version that answered is gone"},
        501: {"description": "requirements/explain.txt is not installed"},
        503: {"description": "too many explanations wait, or it took too long; try again"},
    },
)
def get_explanation(prediction_id: str, parts: PartsDep) -> Response:
    """By the version that answered, whoever is champion now; needs requirements/explain.txt.

    `base_value`, the mean answer to 100 reference rows, and the contributions add up to `value`.
    """
    return json_response(parts.explainer.explain(_find(parts, prediction_id)))


def _find(parts: Parts, prediction_id: str) -> dict[str, Any]:
    with parts.engine.connect() as connection:
        return find_prediction(connection, prediction_id, parts.ledger.may_hold_unknown)

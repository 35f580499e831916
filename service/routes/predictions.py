"""GET /predictions/{id}: one logged row, and what became true of it."""

from fastapi import APIRouter, Response

from service.parts import PartsDep, json_response
from service.queries import find_prediction

router = APIRouter()


@router.get("/predictions/{prediction_id}", summary="One prediction and its outcomes")
def get_prediction(prediction_id: str, parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        return json_response(find_prediction(connection, prediction_id))

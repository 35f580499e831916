"""GET /predictions/{id}: one logged row, what became true of it, and why it was answered so."""

from typing import Any

from fastapi import APIRouter, Request, Response

from service.check_page.view import STATES
from service.finding.lineage import find_lineage
from service.finding.view import make_answer, make_cells
from service.page import PageDep, Render, wants_page
from service.parts import Parts, PartsDep, json_response
from service.queries import NotYetReadableError, UnknownPredictionError, find_prediction

router = APIRouter()


@router.get(
    "/predictions/{prediction_id}",
    summary="One prediction and its outcomes",
    responses={404: {"description": "no prediction has this id"}},
)
def get_prediction(
    prediction_id: str, request: Request, parts: PartsDep, page: PageDep
) -> Response:
    if not wants_page(request):
        return json_response(_find(parts, prediction_id))
    try:
        return _show(_find(parts, prediction_id), parts, page)
    except (UnknownPredictionError, NotYetReadableError) as error:
        status = 404 if isinstance(error, UnknownPredictionError) else 503
        return page("prediction_missing.html", status, problem=str(error))


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


@router.get("/predictions/{prediction_id}/outcomes", include_in_schema=False)
def get_outcomes(prediction_id: str, parts: PartsDep, page: PageDep) -> Response:
    """A part of the page, renewed once somebody has entered an outcome."""
    return page("prediction_outcomes.html", row=_find(parts, prediction_id))


def _show(row: dict[str, Any], parts: Parts, page: Render) -> Response:
    with parts.engine.connect() as connection:
        lineage = find_lineage(connection, parts.settings.bundles_dir, row)
    schema, serving = lineage.schema, parts.watcher.serving
    return page(
        "prediction.html",
        row=row,
        answer=make_answer(row),
        cells=make_cells(row["features"], schema),
        target=schema.target if schema else None,
        answers=serving.schema.target if serving else None,
        lineage=lineage,
        state=STATES.get(lineage.state, ("quiet", lineage.state)),
    )


def _find(parts: Parts, prediction_id: str) -> dict[str, Any]:
    with parts.engine.connect() as connection:
        return find_prediction(connection, prediction_id, parts.ledger.may_hold_unknown)

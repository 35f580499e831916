"""GET and POST /try: a question typed into a form, answered and logged as any other."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from service.access.caller import CallerDep
from service.answer.answering import Question
from service.answer.decoder import InvalidRequestError
from service.answer.explain import (
    ExplainerBusyError,
    ExplainerDiedError,
    ExplainerMissingError,
    VersionGoneError,
)
from service.answer.predictor import NotFiniteError
from service.ledger.answers import Answer
from service.page import PageDep, read_form
from service.parts import PartsDep
from service.queries import find_prediction
from service.trying.form import TableError, curl_of, make_fields, row_of, rows_of
from service.trying.scored import newest
from service.trying.scoring import AT_ONCE, BusyError

router = APIRouter(include_in_schema=False)
SHOWN_REASONS = 8
SHOWN_FILES = 5
_NO_REASONS = (ExplainerBusyError, ExplainerDiedError, ExplainerMissingError, VersionGoneError)


@router.get("/try")
def get_try(parts: PartsDep, page: PageDep) -> Response:
    if parts.watcher.serving is None:
        return page("try_later.html")
    schema = parts.watcher.serving.schema
    with parts.engine.connect() as connection:
        scored = newest(connection, parts.clock(), SHOWN_FILES)
    return page("try.html", fields=make_fields(schema, None), target=schema.target, problem="",
                scored=scored)  # fmt: skip


@router.post("/try")
async def post_try(request: Request, parts: PartsDep, page: PageDep, caller: CallerDep) -> Response:
    typed = await read_form(request)
    schema = parts.watcher.require().schema
    row = row_of(schema, typed)
    try:
        answer = await parts.answering.answer_rows([row], Question(caller))
    except NotFiniteError as error:
        return page("try_form.html", 422, fields=make_fields(schema, typed), problem=str(error))
    except InvalidRequestError as error:
        fields = make_fields(schema, typed, error.problems)
        headless = [one.problem for one in error.problems if one.field not in schema.names]
        return page("try_form.html", 422, fields=fields, problem="; ".join(headless))
    base = str(request.base_url).rstrip("/")
    told = {"answer": _rows(answer)[0], "target": schema.target, "curl": curl_of(row, base)}
    return page("try_answer.html", fields=make_fields(schema, typed), problem="", **told)


@router.post("/try/table")
async def post_table(
    request: Request, parts: PartsDep, page: PageDep, caller: CallerDep
) -> Response:
    typed = await read_form(request)
    schema = parts.watcher.require().schema
    try:
        rows = await asyncio.to_thread(rows_of, schema, typed.get("table", ""))
        if len(rows) > AT_ONCE:
            scoring = await parts.scorings.begin(list(rows), caller)
            return Response(status_code=204, headers={"HX-Redirect": f"/try/files/{scoring}"})
        answer = await parts.answering.answer_rows(list(rows), Question(caller))
    except (BusyError, NotFiniteError, TableError) as error:
        return page("try_table.html", 422, problems=[str(error)], rows=[])
    except InvalidRequestError as error:
        told = [f"{one.problem}; {one.allowed}" if one.row is None else
                f"row {one.row + 1}, {one.field}: {one.problem}; allowed: {one.allowed}"
                for one in error.problems[:20]]  # fmt: skip
        return page("try_table.html", 422, problems=told, rows=[])
    return page("try_table.html", problems=[], rows=_rows(answer))


@router.get("/try/{prediction_id}/reasons")
def get_reasons(prediction_id: str, parts: PartsDep, page: PageDep) -> Response:
    """What the answer hangs on, largest first; or why that cannot be told."""
    with parts.engine.connect() as connection:
        row = find_prediction(connection, prediction_id, parts.ledger.may_hold_unknown)
    try:
        told = parts.explainer.explain(row)
    except _NO_REASONS as error:
        return page("try_reasons.html", reasons=[], problem=str(error))
    return page("try_reasons.html", reasons=_reasons(told), problem="")


def _rows(answer: Answer) -> list[dict[str, Any]]:
    """One dict a row: prediction, probability, interval, prediction_id."""
    parts = {"probability": answer.probability, "interval": answer.interval}
    return [
        {"prediction": prediction, "prediction_id": name,
         **{key: values[i] if values is not None else None for key, values in parts.items()}}
        for i, (prediction, name) in enumerate(
            zip(answer.prediction, answer.prediction_id, strict=True)
        )
    ]  # fmt: skip


def _reasons(told: dict[str, Any]) -> list[dict[str, Any]]:
    found = told["features"][:SHOWN_REASONS]
    most = max((abs(one["contribution"]) for one in found), default=0.0) or 1.0
    return [{**one, "share": abs(one["contribution"]) / most} for one in found]

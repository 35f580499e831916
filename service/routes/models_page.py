"""/models for people: all versions, one version, its model card, and the tables as files."""

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import Connection, select

from contracts.tables import stage_changes
from contracts.traffic import current_traffic
from service.downloads import MOST_ROWS, Form, download
from service.models_page.families import champion_base, group, make_families
from service.models_page.files import read_card, read_made
from service.models_page.one import make_version
from service.models_page.read import (
    SHOWN_CHANGES,
    Facts,
    is_registered,
    read_changes,
    read_facts,
    read_metrics,
    read_reigns,
    read_retrain,
)
from service.models_page.stages import stage_of
from service.models_page.timeline import draw_timeline
from service.page import PageDep, Render
from service.parts import Parts, PartsDep
from service.routes.traffic import describe_arms

router = APIRouter(include_in_schema=False)
# A card holds names and values of the data. It brings its own styles and pictures, no script.
_SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)


def show_models(request: Request, parts: Parts, page: Render) -> Response:
    """The list, for browsers; routes.models answers programs at the same path."""
    with parts.engine.connect() as connection:
        facts = read_facts(connection, parts.clock())
        before = _number(request.query_params.get("before"))
        changes = read_changes(connection, before)
        bases = {one.version: name for name, all_of in group(facts).items() for one in all_of}
        reigns = read_reigns(connection)
        metrics = read_metrics(connection, sorted({*bases.values(), champion_base(facts) or ""}))
    names, families = make_families(facts, metrics)
    return page(
        "models.html",
        facts=facts,
        names=names,
        families=families,
        timeline=draw_timeline(reigns, bases, facts.now),
        changes=changes[:SHOWN_CHANGES],
        older=changes[SHOWN_CHANGES - 1].change_id if len(changes) > SHOWN_CHANGES else None,
        is_older=before is not None,
        problem=parts.watcher.problem,
    )


@router.get("/models/versions.{form}")
def get_versions(form: Form, parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        facts = read_facts(connection, parts.clock(), most=MOST_ROWS)
        metrics = read_metrics(connection, [one.version for one in facts.versions])
    rows = [
        {"version": one.version, "stage": stage_of(one, facts).word,
         "registered_at": one.registered_at, "trained_from": one.trained_from,
         "trained_until": one.trained_until, "made": one.made, "metrics": metrics[one.version]}
        for one in facts.versions
    ]  # fmt: skip
    return download("versions", form, rows)


@router.get("/models/history.{form}")
def get_history(form: Form, parts: PartsDep) -> Response:
    newest = select(stage_changes).order_by(stage_changes.c.change_id.desc()).limit(MOST_ROWS)
    with parts.engine.connect() as connection:
        rows = [row._asdict() for row in connection.execute(newest)]
    return download("history", form, rows)


@router.get("/models/arms")
def get_arms(parts: PartsDep, page: PageDep) -> Response:
    """What the versions of the rule in force have done; reads many predictions, so on demand."""
    with parts.engine.connect() as connection:
        arms = describe_arms(connection, parts, current_traffic(connection))
    return page("models_arms.html", arms=arms)


@router.get("/models/{version}")
def get_version(version: str, parts: PartsDep, page: PageDep) -> Response:
    bundles = parts.settings.bundles_dir
    with parts.engine.connect() as connection:
        _require(connection, version)
        facts = read_facts(connection, parts.clock(), version)
        metrics = read_metrics(connection, _to_compare(facts, version))
        changes = read_changes(connection, None, version)
        retrain = read_retrain(connection, version)
    champion = facts.champion.version if facts.champion else None
    mine = read_made(bundles, version)
    theirs = read_made(bundles, champion) if champion not in (None, version) else None
    view = make_version(version, facts, metrics, mine, theirs)
    serving = parts.watcher.serving
    told = {"changes": changes[:SHOWN_CHANGES], "retrain": retrain}
    entities = serving.schema.names if serving else []
    return page("model.html", view=view, facts=facts, entities=entities, **told)


@router.get("/models/{version}/card")
def get_card(version: str, parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        _require(connection, version)
    content = read_card(parts.settings.bundles_dir, version)
    if content is None:
        raise HTTPException(404, "this version has no model card here: its files were removed")
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _SANDBOX}
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)


def _require(connection: Connection, version: str) -> None:
    if not is_registered(connection, version):
        raise HTTPException(404, "no such version; /models lists all")


def _to_compare(facts: Facts, version: str) -> list[str]:
    champion = facts.champion.version if facts.champion else version
    return sorted({version, champion})


def _number(text: str | None) -> int | None:
    """A change's id; what is none is as if it were not there."""
    known = text is not None and text.isascii() and text.isdigit() and len(text) < 16
    return int(text) if known and text else None

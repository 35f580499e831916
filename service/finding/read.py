"""Reads predictions a page at a time, never more rows than SCANNED; nothing here writes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, select, tuple_

from contracts.tables import model_versions, outcomes, predictions, stage_changes
from service.finding.search import Cursor, Search, fits
from service.queries import parsed

SHOWN = 50
SCANNED = 3000  # rows that one page looks at, where not every row belongs to it
LISTED_VERSIONS = 500
Reign = tuple[datetime, datetime | None]  # from, until; None = it has not ended
_decode = msgspec.json.Decoder().decode
_name, _time = predictions.c.prediction_id, predictions.c.event_time


@dataclass(frozen=True)
class Page:
    """Some predictions, newest first.

    Attributes:
        rows: as `find_prediction` gives them, with the outcome that counts and no others.
        looked_at: rows that were looked at to find them.
        until: event time of the last of those; None = there was none.
        following: where the next page begins; None = nothing older is there.
    """

    rows: list[dict[str, Any]]
    looked_at: int
    until: datetime | None
    following: Cursor | None


NOTHING = Page([], 0, None, None)


def find_page(connection: Connection, search: Search) -> Page:
    """The newest predictions that are looked for, as many as a page shows.

    Those that were answered last come first; with a time range, those of the latest event time.
    """
    most = SCANNED if search.is_sifted else SHOWN + 1
    scanned = connection.execute(_candidates(search).limit(most)).all()
    chosen: list[str] = []
    looked_at = 0
    for row in scanned:
        if len(chosen) == SHOWN:
            break
        looked_at += 1
        if fits(search, *_looked_for(search, row)):
            chosen.append(row.prediction_id)
    if not looked_at:
        return NOTHING
    last = _place(connection, scanned[looked_at - 1].prediction_id)
    ended = looked_at == len(scanned) < most
    rows = _whole(connection, chosen)
    return Page(rows, looked_at, last.event_time, None if ended else last)


def list_versions(connection: Connection) -> list[str]:
    """The newest versions by name, newest first."""
    query = select(model_versions.c.version).order_by(model_versions.c.registered_at.desc())
    return list(connection.execute(query.limit(LISTED_VERSIONS)).scalars())


def find_reign(connection: Connection, version: str) -> Reign | None:
    """When a version was last champion; None = it never was."""
    changes = stage_changes.c
    query = select(changes.change_id, changes.changed_at).where(changes.version == version)
    began = connection.execute(query.order_by(changes.change_id.desc()).limit(1)).one_or_none()
    if began is None:
        return None
    later = select(changes.changed_at).where(changes.change_id > began.change_id)
    ended = connection.execute(later.order_by(changes.change_id).limit(1)).scalar_one_or_none()
    return began.changed_at, ended


def _candidates(search: Search) -> Select[Any]:
    """Only what has to be looked at: thousands of times are slow to read."""
    version = [predictions.c.model_version] if search.version else []
    features = [predictions.c.features] if search.feature else []
    query = select(_name, *version, *features).where(*_bounds(search))
    return query.order_by(*([_time.desc()] if search.has_range else []), _name.desc())


def _looked_for(search: Search, row: Row[Any]) -> tuple[str, dict[str, Any]]:
    features = _decode(row.features) if search.feature else {}
    return row.model_version if search.version else "", features


def _place(connection: Connection, prediction_id: str) -> Cursor:
    query = select(_time).where(_name == prediction_id)
    return Cursor(prediction_id, connection.execute(query).scalar_one())


def _bounds(search: Search) -> list[ColumnElement[bool]]:
    bounds = []
    if search.start is not None:
        bounds.append(_time >= search.start)
    if search.end is not None:
        bounds.append(_time < search.end)
    if (after := search.after) is None:
        return bounds
    if not search.has_range:
        return [*bounds, _name < after.prediction_id]
    # The first says no more than the second, in a form for which every database uses the index.
    place = tuple_(_time, _name) < tuple_(after.event_time, after.prediction_id)
    return [*bounds, _time <= after.event_time, place]


def _whole(connection: Connection, names: Sequence[str]) -> list[dict[str, Any]]:
    rows = connection.execute(select(predictions).where(_name.in_(names)))
    found = {row.prediction_id: row for row in rows}
    known = _outcomes(connection, names)
    return [
        {**found[name]._asdict(), **parsed(found[name]), "outcome": known.get(name)}
        for name in names
        if name in found
    ]


def _outcomes(connection: Connection, names: Sequence[str]) -> dict[str, Any]:
    """The outcome that counts, of those that have one."""
    query = select(outcomes.c.prediction_id, outcomes.c.outcome).order_by(outcomes.c.outcome_id)
    rows = connection.execute(query.where(outcomes.c.prediction_id.in_(names)))
    return {row.prediction_id: json.loads(row.outcome) for row in rows}

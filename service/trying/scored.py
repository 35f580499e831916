"""What has become of files that somebody has let score; nothing here writes."""

import csv
import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, Select, func, select

from contracts.tables import predictions, scoring_parts, scorings
from service.downloads import cell
from service.queries import parsed
from service.trying.scoring import FAILED, RUNNING

SILENCE = timedelta(minutes=2)  # after which a process that scored it must have ended
DIED = "interrupted: the process that scored it has ended; send the rest again"
_STYLES = {"done": "good", "failed": "bad", "running": "warn"}
_COLUMNS = ("row", "prediction_id", "prediction", "probability", "model_version")
Answered = dict[str, Any]


class UnknownScoringError(LookupError):
    """No file has this id."""

    def __init__(self, scoring_id: str) -> None:
        super().__init__(f"no file has the id {scoring_id[:36]!r}")


@dataclass(frozen=True)
class Scoring:
    """A file and how far it is; `rows` has it whole, `answered` so far."""

    scoring_id: str
    asked_at: datetime
    actor: str
    rows: int
    answered: int
    state: str
    told: str

    @property
    def style(self) -> str:
        return _STYLES.get(self.state, "quiet")

    @property
    def runs(self) -> bool:
        return self.state == RUNNING


def newest(connection: Connection, now: datetime, most: int) -> list[Scoring]:
    """The last files, newest first."""
    order = scorings.c.scoring_id.desc()
    return [_scoring(row, now) for row in connection.execute(_all().order_by(order).limit(most))]


def find_scoring(connection: Connection, scoring_id: str, now: datetime) -> Scoring:
    """One file.

    Raises:
        UnknownScoringError: there is none.
    """
    row = connection.execute(_all().where(scorings.c.scoring_id == scoring_id)).one_or_none()
    if row is None:
        raise UnknownScoringError(scoring_id)
    return _scoring(row, now)


def answers(engine: Engine, scoring_id: str) -> Iterator[Answered]:
    """Its rows in the order of the file; of one that was deleted since, only number and id.

    The database is asked part by part: who reads slowly keeps no connection from others.
    """
    number = 0
    for part in itertools.count():
        names, found = _read_part(engine, scoring_id, part)
        if not names:
            return
        for name in names:
            number += 1
            yield {"row": number, "prediction_id": name, **_told(found.get(name))}


def _read_part(engine: Engine, scoring_id: str, part: int) -> tuple[list[str], dict[str, Row[Any]]]:
    mine = (scoring_parts.c.scoring_id == scoring_id) & (scoring_parts.c.part == part)
    with engine.connect() as connection:
        ids = connection.execute(select(scoring_parts.c.prediction_ids).where(mine)).scalar() or b""
        names = [str(UUID(bytes=ids[at : at + 16])) for at in range(0, len(ids), 16)]
        query = select(predictions).where(predictions.c.prediction_id.in_(names))
        return names, {row.prediction_id: row for row in connection.execute(query)}


def as_csv(rows: Iterator[Answered]) -> Iterator[str]:
    """Lines; each feature is a column, named by the first row that has any."""
    held: list[Answered] = []
    names: list[str] = []
    for row in rows:
        held.append(row)
        if not names and not row["features"]:
            continue  # deleted since: it does not know
        if not names:
            names = list(row["features"])
            yield _line([*_COLUMNS, *(f"features.{name}" for name in names)])
        yield from (_row_line(one, names) for one in held)
        held = []
    if held:
        yield _line([*_COLUMNS])
        yield from (_row_line(one, names) for one in held)


def as_json(rows: Iterator[Answered]) -> Iterator[str]:
    """An object with a list, one row a line."""
    yield '{"rows": ['
    for at, row in enumerate(rows):
        yield f"{',' if at else ''}\n{json.dumps(row)}"
    yield "\n]}\n"


def _told(row: Row[Any] | None) -> Answered:
    if row is None:
        return {"prediction": None, "probability": None, "model_version": None, "features": {}}
    told = parsed(row)
    return {"prediction": told["prediction"], "probability": row.probability,
            "model_version": row.model_version, "features": told["features"]}  # fmt: skip


def _row_line(row: Answered, names: list[str]) -> str:
    known = (row[name] for name in _COLUMNS)
    return _line([*known, *(row["features"].get(name) for name in names)])


def _line(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([cell(value) for value in values])
    return text.getvalue()


def _all() -> Select[Any]:
    mine = scoring_parts.c.scoring_id == scorings.c.scoring_id
    answered = select(func.coalesce(func.sum(scoring_parts.c.rows), 0)).where(mine)
    last = select(func.max(scoring_parts.c.answered_at)).where(mine)
    return select(
        scorings, answered.scalar_subquery().label("answered"), last.scalar_subquery().label("last")
    )


def _scoring(row: Row[Any], now: datetime) -> Scoring:
    state, told = row.state, row.told or ""
    if state == RUNNING and now - (row.last or row.asked_at) > SILENCE:
        state, told = FAILED, DIED
    return Scoring(
        row.scoring_id, row.asked_at, row.actor, row.rows, int(row.answered), state, told
    )

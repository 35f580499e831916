"""What somebody looks for among the predictions, as typed into a form. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from service.ledger.outcomes import can_exist

FIELDS = ("id", "feature", "value", "from", "to", "version")
MOST_TYPED = 1000  # characters; as long as a value of a request may be


@dataclass(frozen=True)
class Cursor:
    """The last row that was looked at; what follows is older."""

    prediction_id: str
    event_time: datetime


@dataclass(frozen=True)
class Search:
    """Which predictions are looked for; an empty text or None = all.

    Attributes:
        feature: whose `value` they have.
        start: of their event time; `end` is no longer part of it.
    """

    feature: str = ""
    value: str = ""
    start: datetime | None = None
    end: datetime | None = None
    version: str = ""
    after: Cursor | None = None

    @property
    def has_range(self) -> bool:
        return self.start is not None or self.end is not None

    @property
    def is_sifted(self) -> bool:
        """Whether rows have to be looked at to know if they belong."""
        return bool(self.feature or self.version)


def read_typed(params: Mapping[str, str]) -> dict[str, str]:
    """The form's fields as they were typed."""
    return {name: params.get(name, "")[:MOST_TYPED].strip() for name in FIELDS}


def read_search(
    typed: Mapping[str, str], params: Mapping[str, str]
) -> tuple[Search, dict[str, str]]:
    """What is looked for, and what is wrong with it by field."""
    problems: dict[str, str] = {}
    start, end = (_moment(name, typed, problems) for name in ("from", "to"))
    if start is not None and end is not None and start >= end:
        problems["to"] = "has to be later than the beginning"
    if typed["value"] and not typed["feature"]:
        problems["feature"] = "choose whose value this is"
    if typed["feature"] and not typed["value"]:
        problems["value"] = "type the value to look for"
    after = _cursor(params)
    return Search(typed["feature"], typed["value"], start, end, typed["version"], after), problems


def fits(search: Search, version: str, features: Mapping[str, Any]) -> bool:
    """Whether a row is one of those that are looked for."""
    if search.version and version != search.version:
        return False
    return not search.feature or is_value(features.get(search.feature), search.value)


def is_value(logged: object, typed: str) -> bool:
    """Whether a logged value is what somebody typed: numbers as numbers, text as it is."""
    if isinstance(logged, bool):
        return typed.lower() == str(logged).lower()
    if isinstance(logged, int | float):
        try:
            return float(typed) == logged
        except ValueError:
            return False
    return logged == typed


def query_of(typed: Mapping[str, str], after: Cursor | None = None) -> str:
    """The address' query that looks for the same, from where another page ended."""
    query = {name: value for name, value in typed.items() if value}
    if after is not None:
        query |= {"before": after.prediction_id, "at": after.event_time.isoformat()}
    return urlencode(query)


def _cursor(params: Mapping[str, str]) -> Cursor | None:
    name, at = params.get("before", ""), _parse(params.get("at", ""))
    return Cursor(name, at) if at is not None and can_exist(name) else None


def _moment(name: str, typed: Mapping[str, str], problems: dict[str, str]) -> datetime | None:
    found = _parse(typed[name])
    if typed[name] and found is None:
        problems[name] = "is no moment like 2013-04-01T12:00"
    return found


def _parse(text: str) -> datetime | None:
    """UTC, also where no zone is given."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

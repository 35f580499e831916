"""What a log line holds: JSON of one shape for requests and for everything else.

Text from outside cannot break out of its line or drive a terminal: what is not printable is
written as an escape sequence.
"""

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

import msgspec

from service.border.exchange import Exchange
from service.border.express import Express
from service.border.journal import Journal

MAX_PATH = 200
MAX_TEXT = 8000
_MILLISECONDS = tuple(f".{one:03d}Z" for one in range(1000))
_encode = msgspec.json.Encoder().encode


class RequestLine(msgspec.Struct, omit_defaults=True):
    """One request. `time` is UTC, `ms` from the first look at the request to its answer.

    `status` 499 = the client hung up first. `key` is the caller's name. `rows` and
    `model_version` are those of a prediction.
    """

    time: str
    level: str
    request_id: str
    method: str
    path: str
    route: str | None
    status: int
    ms: float
    key: str
    rows: int | None = None
    model_version: str | None = None


class RecordLine(msgspec.Struct, omit_defaults=True):
    """Everything else that is logged."""

    time: str
    level: str
    logger: str
    message: str
    exception: str | None = None


def request_lines() -> Callable[[Exchange | Express, str, float], bytes]:
    """A function that makes a request's line from the exchange, its method and its seconds."""
    stamp = stamps()

    def line(exchange: Exchange | Express, method: str, seconds: float) -> bytes:
        status = exchange.status
        return encode_line(
            RequestLine(
                stamp(time.time()),
                level_of(status),
                exchange.request_id.decode(),
                method,
                shown_path(exchange.scope.get("raw_path") or b""),
                exchange.route,
                status,
                int(seconds * 1_000_000) / 1000,
                visible(exchange.caller.name),
                exchange.rows,
                exchange.version,
            )
        )

    return line


def encode_line(line: RequestLine | RecordLine) -> bytes:
    return _encode(line) + b"\n"


def level_of(status: int) -> str:
    if status < 400:
        return "info"
    return "warning" if status < 500 else "error"


def visible(text: str) -> str:
    """Text without control, format and other invisible characters: they become \\x1b or \\u2028."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else _escape(one) for one in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def shown_path(raw_path: bytes) -> str:
    """A path as it was sent, percent-encoded, without its query, which may hold secrets."""
    text = raw_path[: MAX_PATH + 1].decode("ascii", "backslashreplace")
    one_line = text if text.isprintable() else ascii(text)[1:-1]
    return one_line if len(one_line) <= MAX_PATH else one_line[: MAX_PATH - 3] + "..."


def stamps() -> Callable[[float], str]:
    """A function from seconds since 1970 to ISO 8601 with milliseconds; remembers the second."""
    second, prefix = -1, ""

    def stamp(now: float) -> str:
        nonlocal second, prefix
        whole = int(now)
        if whole != second:
            second, prefix = whole, f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}"
        return prefix + _MILLISECONDS[int((now - whole) * 1000)]

    return stamp


class JsonFormatter(logging.Formatter):
    """A log record as one line."""

    def format(self, record: logging.LogRecord) -> str:
        exception = self.formatException(record.exc_info) if record.exc_info else None
        line = RecordLine(
            _stamp(record.created),
            record.levelname.lower(),
            record.name,
            visible(record.getMessage()[:MAX_TEXT]),
            visible(exception[-MAX_TEXT:]) if exception else None,
        )
        return _encode(line).decode()


class _JournalHandler(logging.Handler):
    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._journal.write(self.format(record).encode() + b"\n")
        except (TypeError, ValueError):  # its arguments do not fit its text
            self.handleError(record)


def make_journal(descriptor: int) -> Journal:
    """A journal that says in its own words what it had to drop."""

    def dropped_line(number: int) -> bytes:
        message = f"{number} log lines were dropped: nobody read them in time"
        return encode_line(RecordLine(_stamp(time.time()), "warning", __name__, message))

    return Journal(descriptor, dropped_line)


def log_to(journal: Journal) -> None:
    """Have everything that is logged, and what ends the process, go through the journal."""
    handler = _JournalHandler(journal)
    handler.setFormatter(JsonFormatter())
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    sys.excepthook = _report_crash


def _report_crash(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    logging.getLogger("service").critical("the service ends", exc_info=(kind, error, traceback))


_stamp = stamps()

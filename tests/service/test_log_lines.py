"""One request is one line of JSON, whatever was in the request."""

import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from contracts.settings import Settings
from service.access.key_store import NewKey, create_key
from service.app import create_app
from service.border.journal import PIECE_BYTES, Journal, pieces
from service.border.log_lines import JsonFormatter, make_journal, shown_path, stamps, visible
from tests.bundles import EXAMPLE
from tests.service.servers import serving, wait_for
from tests.service.sockets import ask, request

NASTY = "\r\n\x1b[31m\u2028\u2029\x00\x7f\x9b\u202e\"}',"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Path, Journal]]:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield path, make_journal(descriptor)
    os.close(descriptor)


def lines_of(path: Path) -> list[dict]:
    text = path.read_text()
    assert text.isascii() or all(c.isprintable() or c == "\n" for c in text)
    return [json.loads(line) for line in text.splitlines()]


def test_a_prediction_says_who_asked_what_and_who_answered(
    settings: Settings, champion: str, log: tuple[Path, Journal]
) -> None:
    path, journal = log
    with TestClient(create_app(settings, journal=journal)) as client:
        answer = client.post("/predict", json={"instances": [EXAMPLE] * 3})
        client.post("/predict", json={})
        client.get("/predictions/no-such-id?secret=1")
    predicted, refused, missing = lines_of(path)
    assert predicted["request_id"] == answer.headers["x-request-id"]
    assert predicted["time"].endswith("Z")
    assert 0 < predicted["ms"] < 10_000
    told = {"level": "info", "method": "POST", "path": "/predict", "route": "/predict",
            "status": 200, "key": "anybody", "rows": 3, "model_version": champion}  # fmt: skip
    assert told.items() <= predicted.items()
    assert (refused["status"], refused["level"], "rows" in refused) == (422, "warning", False)
    assert missing["path"] == "/predictions/no-such-id"
    assert missing["route"] == "/predictions/{prediction_id}"


def test_no_log_is_written_where_the_settings_want_none(
    settings: Settings, champion: str, log: tuple[Path, Journal]
) -> None:
    path, journal = log
    quiet = settings.model_copy(update={"access_log": False})
    with TestClient(create_app(quiet, journal=journal)) as client:
        client.get("/health/live")
    assert lines_of(path) == []


def test_nothing_in_a_request_makes_a_second_line(
    settings: Settings, champion: str, engine: Engine, log: tuple[Path, Journal]
) -> None:
    path, journal = log
    now = datetime.now(UTC)
    named = NewKey("n" + NASTY, ("predict", "read"), None)
    key = create_key(engine, named, actor="a test", now=now)
    with serving(settings, journal) as port:
        for target in ("/a%0d%0a%1b%5b31m%e2%80%a8%00", "/" + "x" * 5000, '/"}{', "/a?b=%0a"):
            ask(port, request("GET", target, b"", "X-Request-ID: a\u00ff b", f"X-API-Key: {key}"))
        odd = {**EXAMPLE, "carrier": NASTY}
        body = json.dumps({"features": odd}).encode()
        ask(port, request("POST", "/predict", body, f"X-API-Key: {key}"))
    lines = lines_of(path)
    assert len(lines) == 5
    assert lines[-1]["key"] == "n" + visible(NASTY)
    assert max(len(line["path"]) for line in lines) == 200
    assert all(line["request_id"].isascii() and " " not in line["request_id"] for line in lines)


def test_a_caller_may_name_its_request(client: TestClient) -> None:
    given = "a1.B-2_c"
    answer = client.get("/health/live", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given
    for odd in ("a b", "x" * 65, "é", "{}"):
        answer = client.get("/health/live", headers={"X-Request-ID": odd.encode("latin-1")})
        assert answer.headers["x-request-id"] != odd


def test_every_request_gets_an_id_of_its_own(client: TestClient) -> None:
    ids = {client.get("/health/live").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


def test_a_log_record_is_a_line_too_with_its_traceback_inside() -> None:
    try:
        raise ValueError(NASTY)
    except ValueError:
        record = logging.LogRecord(
            "a.name", logging.ERROR, "", 0, "it %s\nfailed", (NASTY,), sys.exc_info()
        )
    text = JsonFormatter().format(record)
    assert text.isprintable()
    line = json.loads(text)
    assert (line["level"], line["logger"]) == ("error", "a.name")
    assert "\nfailed" in line["message"]
    assert "Traceback" in line["exception"]
    assert "\\u2028" in line["exception"]


def test_a_path_is_shown_as_it_was_sent_and_short() -> None:
    assert shown_path(b"/predict") == "/predict"
    assert shown_path(b"/%0d%0a") == "/%0d%0a"
    assert shown_path(b"/\xff\n") == r"/\\xff\n"
    assert len(shown_path(b"/" + b"\n" * 500)) == 200


def test_a_stamp_is_utc_with_milliseconds() -> None:
    stamp = stamps()
    assert stamp(1_000_000_000.0) == "2001-09-09T01:46:40.000Z"
    assert stamp(1_000_000_000.9999) == "2001-09-09T01:46:40.999Z"
    assert stamp(1_000_000_001.25) == "2001-09-09T01:46:41.250Z"


def test_lines_are_joined_to_pieces_that_a_pipe_keeps_whole() -> None:
    lines = [b"x" * 999 + b"\n"] * 10 + [b"y" * 9999 + b"\n"] + [b"z\n"]
    joined = list(pieces(lines))
    assert b"".join(joined) == b"".join(lines)
    assert [len(piece) for piece in joined] == [4000, 4000, 2000, 10_000, 2]
    assert max(len(piece) for piece in joined if b"y" not in piece) <= PIECE_BYTES


def test_a_reader_that_does_not_read_costs_lines_and_no_time() -> None:
    reader, writer = socket.socketpair()
    journal = make_journal(writer.fileno())
    counted = []
    journal.on_drop = lambda: counted.append(1)
    journal.start()
    line = b"x" * 999 + b"\n"
    started = time.monotonic()
    for _ in range(60_000):
        journal.write(line)
    assert time.monotonic() - started < 2
    assert 0 < journal.dropped == len(counted)
    taken = b""
    while b"dropped" not in taken[-500:]:
        taken += reader.recv(1_000_000)
    *whole, told, _ = taken.split(b"\n")
    assert len(whole) == 60_000 - journal.dropped
    assert f"{journal.dropped} log lines were dropped" in json.loads(told)["message"]
    journal.stop()
    reader.close()
    writer.close()


def test_stopping_does_not_wait_for_a_reader_for_ever() -> None:
    reader, writer = socket.socketpair()
    journal = make_journal(writer.fileno())
    journal.start()
    for _ in range(10_000):
        journal.write(b"x" * 999 + b"\n")
    started = time.monotonic()
    journal.stop()
    journal.write(b"after the end\n")
    assert time.monotonic() - started < 5
    assert journal.dropped > 0
    reader.close()
    writer.close()


def test_lines_before_the_start_and_after_the_end_are_written_at_once(
    log: tuple[Path, Journal],
) -> None:
    path, journal = log
    journal.write(b"1\n")
    assert path.read_bytes() == b"1\n"
    journal.start()
    journal.write(b"2\n")
    wait_for(lambda: path.read_bytes() == b"1\n2\n")
    journal.write(b"3\n")
    journal.stop()
    journal.write(b"4\n")
    assert path.read_bytes() == b"1\n2\n3\n4\n"


def test_a_closed_descriptor_is_survived() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    journal = make_journal(writing)
    journal.write(b"x\n")
    os.close(writing)
    journal.write(b"y\n")
    assert journal.dropped == 2


def test_the_key_itself_is_in_no_line(
    settings: Settings, champion: str, admin: dict[str, str], log: tuple[Path, Journal]
) -> None:
    path, journal = log
    with TestClient(create_app(settings, journal=journal)) as client:
        client.get("/models", headers=admin)
    assert admin["Authorization"].split()[1] not in path.read_text()

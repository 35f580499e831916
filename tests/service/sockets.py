"""Requests as bytes, for what no HTTP client would send."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 15


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as raw:
        yield raw


def request(
    method: str, target: str, body: bytes = b"", *headers: str, host: str = "127.0.0.1"
) -> bytes:
    """The bytes of a request; JSON if it has a body and says nothing else."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read_answer(raw: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name, and body of the next answer; 0 = it was closed."""
    file = raw.makefile("rb", buffering=0)
    line = _read_line(file)
    if not line:
        return 0, {}, b""
    status = int(line.split()[1])
    headers = {}
    while (line := _read_line(file)).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = b""
    while len(body) < int(headers.get("content-length", 0)):
        body += file.read(int(headers["content-length"]) - len(body))
    return status, headers, body


def _read_line(file: object) -> bytes:
    try:
        return file.readline()
    except ConnectionResetError:
        return b""


def ask(port: int, content: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes on a connection of their own; the first answer."""
    with connected(port) as raw:
        raw.sendall(content)
        return read_answer(raw)


def detail(body: bytes) -> str:
    return json.dumps(json.loads(body)["detail"])

"""A stand-in for GitHub's API on a real socket, as much of it as a retrain asks."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "github_pat_secret_1234567890"
REPOSITORY = "team/model"
RUN_ID, ARTIFACT_ID = 77, 5


@dataclass
class Answer:
    """What a request is answered, instead of what it would be."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    text: str = '{"message": "as the test wants it"}'


@dataclass
class Server:
    """What the stand-in knows.

    Attributes:
        instead: answers that come first, by "METHOD path", each once.
        polls: how often a run is read before it has ended.
        archive: of the run's artifact; None = it has left none.
        dispatches: payloads that have come; `asked`: every request, `tokens` what they bore.
    """

    url: str = ""
    instead: dict[str, list[Answer]] = field(default_factory=dict)
    polls: int = 2
    conclusion: str = "success"
    hides_run: bool = False
    archive: bytes | None = None
    dispatches: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    elsewhere: list[str | None] = field(default_factory=list)  # tokens that the store was shown

    def run(self) -> dict[str, Any]:
        ended = self.polls <= 0
        name = self.dispatches[-1]["client_payload"]["retrain_id"]
        return {
            "id": RUN_ID, "display_title": f"retrain {name}",
            "html_url": f"https://github.com/{REPOSITORY}/actions/runs/{RUN_ID}",
            "status": "completed" if ended else "in_progress",
            "conclusion": self.conclusion if ended else None,
        }  # fmt: skip

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Answer:
        if waiting := self.instead.get(f"{method} {path}"):
            return waiting.pop(0)
        rest = path.removeprefix(f"/repos/{REPOSITORY}/")
        if (method, rest) == ("POST", "dispatches"):
            self.dispatches.append(body)
            return Answer(204, text="")
        if (method, rest) == ("GET", "actions/runs"):
            assert query["event"] == ["repository_dispatch"]
            shown = [] if self.hides_run or not self.dispatches else [self.run()]
            return Answer(200, text=json.dumps({"workflow_runs": shown}))
        if (method, rest) == ("GET", f"actions/runs/{RUN_ID}"):
            self.polls -= 1
            return Answer(200, text=json.dumps(self.run()))
        if (method, rest) == ("POST", f"actions/runs/{RUN_ID}/cancel"):
            return Answer(202, text="{}")
        if (method, rest) == ("GET", f"actions/runs/{RUN_ID}/artifacts"):
            one = {"id": ARTIFACT_ID, "name": query["name"][0],
                   "size_in_bytes": len(self.archive or b"")}  # fmt: skip
            shown = [] if self.archive is None else [one]
            return Answer(200, text=json.dumps({"artifacts": shown}))
        if (method, rest) == ("GET", f"actions/artifacts/{ARTIFACT_ID}/zip"):
            # Another host: the archive lies in a store that must not see the token.
            other = self.url.replace("127.0.0.1", "localhost")
            return Answer(302, {"Location": f"{other}/store?signature=1"}, "")
        return Answer(404)


@contextmanager
def github_server() -> Iterator[Server]:
    """The stand-in, while it answers."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            split = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            server.asked.append(f"{self.command} {split.path}")
            if split.path == "/store":
                server.elsewhere.append(self.headers.get("Authorization"))
                self._send(200, {}, server.archive or b"")
                return
            server.tokens.add(self.headers.get("Authorization", ""))
            found = server.answer(self.command, split.path, parse_qs(split.query), body)
            self._send(found.status, found.headers, found.text.encode())

        do_GET = do_POST = _serve

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()

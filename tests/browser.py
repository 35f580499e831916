"""A headless Chromium, driven over its DevTools pipe: loads pages and tells what ran in them."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOOK = "hit"  # what a payload calls
CANARY = "canary.invalid"  # where it may ask for something; resolved to Seen's own server
PATIENCE_SECONDS = 60
QUIET_SECONDS = 1.0
_FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--remote-debugging-pipe", "--window-size=1300,2400",
]  # fmt: skip
# Opens what is folded and points at what reacts, as a reader would.
_EXPLORE = """(async () => {
  const all = (what) => [...document.querySelectorAll(what)]
  const clicked = new Set()
  const dead = (link) => /^\\s*j\\s*a\\s*v\\s*a/i.test(
    link.getAttribute('href') || link.getAttribute('xlink:href') || '')
  for (let round = 0; round < 2; round++) {
    const found = all('button, [role=tab], summary, td, th, [aria-expanded=false]')
    for (const one of [...found, ...all('a').filter(dead)]) {
      if (!clicked.has(one)) one.dispatchEvent(new MouseEvent('click', {bubbles: true}))
      clicked.add(one)
    }
    await new Promise((done) => setTimeout(done, 700))
  }
  for (const one of all('.nsewdrag, .legendtoggle, td, th, a')) {
    const box = one.getBoundingClientRect()
    for (const kind of ['mouseover', 'mousemove', 'focus'])
      one.dispatchEvent(new MouseEvent(kind, {bubbles: true,
        clientX: box.x + box.width / 2, clientY: box.y + box.height / 2}))
  }
})()"""


def find_chromium() -> str | None:
    """The browser's path; None = there is none on this machine."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


@dataclass
class Seen:
    """What a page did, and how it ended up.

    Attributes:
        hooks: arguments of the calls of HOOK.
        dialogs: texts of alert() and the like.
        opened: windows.
        asked: paths that CANARY was asked for.
    """

    hooks: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    title: str = ""
    text: str = ""
    pictures: int = 0
    origin: str = ""

    @property
    def executions(self) -> list[str]:
        """Everything that a text should never have led to."""
        return [*self.hooks, *self.dialogs, *self.opened, *self.asked]


class Browser:
    """One Chromium; see `browsing`."""

    def __init__(self, to: int, back: int, asked: list[str]) -> None:
        self._to, self._back, self._asked = to, back, asked
        self._rest, self._number = b"", 0
        self._events: list[dict[str, Any]] = []

    def visit(self, url: str, shot: Path | None = None) -> Seen:
        """Load a page, explore it and wait until it is quiet."""
        self._events.clear()
        self._asked.clear()
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime"):
            self._call(f"{domain}.enable", session)
        self._call("Runtime.addBinding", session, name=HOOK)
        self._call("Page.navigate", session, url=url)
        self._wait_for("Page.loadEventFired", session)
        self._settle(session)
        self._evaluate(session, _EXPLORE)
        self._settle(session)
        seen = Seen(
            title=self._evaluate(session, "document.title"),
            text=self._evaluate(session, "document.documentElement.innerText"),
            pictures=self._evaluate(session, "document.querySelectorAll('.main-svg').length"),
            origin=self._evaluate(session, "window.origin"),
        )
        if shot is not None:
            self._shoot(session, shot)
        self._call("Target.closeTarget", targetId=target)
        for event in self._events:
            _note(event, seen)
        seen.asked = list(self._asked)
        return seen

    def _shoot(self, session: str, shot: Path) -> None:
        import base64

        picture = self._call("Page.captureScreenshot", session, captureBeyondViewport=True)
        shot.write_bytes(base64.b64decode(picture["data"]))

    def _evaluate(self, session: str, expression: str) -> Any:
        found = self._call(
            "Runtime.evaluate", session, expression=expression, awaitPromise=True,
            returnByValue=True,
        )  # fmt: skip
        return found["result"].get("value")

    def _settle(self, session: str) -> None:
        """Until nothing was reported for a while."""
        while (message := self._read(QUIET_SECONDS)) is not None:
            self._take(message)

    def _wait_for(self, method: str, session: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not any(event.get("method") == method for event in self._events):
            assert time.monotonic() < end, f"no {method}"
            if (message := self._read(1)) is not None:
                self._take(message)

    def _call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        number = self._send(method, session, params)
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            message = self._read(1)
            if message is not None and message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                found: dict[str, Any] = message["result"]
                return found
            if message is not None:
                self._take(message)
        raise AssertionError(f"{method} was not answered")

    def _send(self, method: str, session: str | None, params: dict[str, Any]) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._number

    def _take(self, message: dict[str, Any]) -> None:
        """Keep an event; a dialog would stop the page for ever."""
        if message.get("method") == "Page.javascriptDialogOpening":
            self._send("Page.handleJavaScriptDialog", message["sessionId"], {"accept": True})
        if "method" in message:
            self._events.append(message)

    def _read(self, seconds: float) -> dict[str, Any] | None:
        while b"\0" not in self._rest:
            if not select.select([self._back], [], [], seconds)[0]:
                return None
            part = os.read(self._back, 1 << 20)
            assert part, "the browser ended"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


def _note(event: dict[str, Any], seen: Seen) -> None:
    params = event.get("params", {})
    if event["method"] == "Runtime.bindingCalled":
        seen.hooks.append(params["payload"])
    elif event["method"] == "Page.javascriptDialogOpening":
        seen.dialogs.append(params["message"])
    elif event["method"] == "Page.windowOpen":
        seen.opened.append(params["url"])


@contextlib.contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, for as long as the block lasts."""
    with _canary() as (port, asked):
        there, here = os.pipe(), os.pipe()
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (there[0], here[1])]
        process = subprocess.Popen(
            [find_chromium() or "chromium", *_FLAGS, f"--user-data-dir={profile}",
             f"--host-resolver-rules=MAP {CANARY} 127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False,
            preexec_fn=lambda: (os.dup2(theirs[0], 3), os.dup2(theirs[1], 4)),
        )  # fmt: skip
        for end in (there[0], here[1], *theirs):
            os.close(end)
        try:
            yield Browser(there[1], here[0], asked)
        finally:
            process.terminate()
            process.wait(10)
            os.close(there[1])
            os.close(here[0])


@contextlib.contextmanager
def _canary() -> Iterator[tuple[int, list[str]]]:
    """A server that notes what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

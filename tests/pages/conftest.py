"""One Chromium, and the services that its tabs look at."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import find_chromium
from tests.pages.places import ROWS, Place, make_place, served


class Places:
    """Made once for each size, for a million rows take a while; one service runs at a time."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._made: dict[str, Place] = {}
        self._running = ("", "")
        self._stack = ExitStack()
        self._url = ""

    def make(self, name: str) -> Place:
        if name not in self._made:
            self._made[name] = make_place(self._factory.mktemp(name), ROWS[name])
        return self._made[name]

    def serve(self, name: str, access: str = "closed") -> str:
        """Where a place is served; the one that ran before ends."""
        if self._running != (name, access):
            self.stop()
            log = self._factory.mktemp("log") / "service.log"
            self._url = self._stack.enter_context(served(self.make(name), log, access))
            self._running = (name, access)
        return self._url

    def stop(self) -> None:
        self._stack.close()
        self._running = ("", "")


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    places = Places(tmp_path_factory)
    yield places
    places.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ends with its module: Playwright's loop would keep others from asyncio.run()."""
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        yield browser
        browser.close()

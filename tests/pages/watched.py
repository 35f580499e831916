"""A person's tab in Chromium, and everything that went wrong in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, Route

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
_GRAVE = ("serious", "critical")


@dataclass
class Tab:
    """One page of the browser, signed in or not.

    Attributes:
        wrong: console errors, dialogs, failed requests and requests to anywhere else.
        scripts: bytes of each script that was loaded.
    """

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)
    scripts: dict[str, int] = field(default_factory=dict)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def violations(self) -> list[str]:
        """What shuts people out: axe-core's serious and critical findings, in light and in dark."""
        told = []
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(_AXE)
            found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            told += [f"{scheme}: {_told(one)}" for one in found["violations"]
                     if one["impact"] in _GRAVE]  # fmt: skip
        return told


@contextmanager
def tab(
    browser: Browser,
    url: str,
    size: str = "desktop",
    key: str | None = None,
    heeds_policy: bool = True,
) -> Iterator[Tab]:
    """A tab with cookies of its own, signed in if there is a key.

    Args:
        heeds_policy: False = what our Content-Security-Policy would stop runs, if it is there.
    """
    width, height = SIZES[size]
    viewport: Any = {"width": width, "height": height}
    context = browser.new_context(
        viewport=viewport, reduced_motion="reduce", bypass_csp=not heeds_policy
    )
    page = context.new_page()
    made = Tab(page, url)
    _watch(made)
    try:
        if key is not None:
            sign_in(context, url, key)
        yield made
    finally:
        context.close()


def sign_in(context: BrowserContext, url: str, key: str) -> None:
    """As the form does; test_a_persons_path.py types into it."""
    answer = context.request.post(f"{url}/sign-in", form={"key": key}, max_redirects=0)
    assert answer.status == 303


def _watch(tab: Tab) -> None:
    page, wrong = tab.page, tab.wrong

    def pass_on(route: Route) -> None:
        if route.request.url.startswith(f"{tab.url}/"):
            route.continue_()
        else:
            wrong.append(f"asked {route.request.url}")
            route.abort()

    def fail(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # by the browser, when a person leaves
            wrong.append(f"{request.url} failed: {request.failure}")

    def answer(response: Response) -> None:
        if response.status >= 400:
            wrong.append(f"{response.url} answered {response.status}")
        if response.request.resource_type == "script":
            tab.scripts[response.url] = len(response.body())

    page.context.route("**/*", pass_on)
    page.on("requestfailed", fail)
    page.on("response", answer)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda told: wrong.append(f"console: {told.text}")
            if told.type in ("error", "warning") else None)  # fmt: skip
    page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.context.on("page", lambda other: wrong.append(f"window: {other.url}"))


def _told(violation: dict[str, Any]) -> str:
    nodes = [f"{node['html'][:200]} ({node['failureSummary']})" for node in violation["nodes"][:3]]
    return f"{violation['id']} ({violation['impact']}): {'; '.join(nodes)}"

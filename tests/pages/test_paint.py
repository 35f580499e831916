"""A page is there at once, also with a million predictions behind it."""

from collections.abc import Iterator
from statistics import median

import pytest
from playwright.sync_api import Browser

from benchmarks.results import write_result
from tests.browser import find_chromium
from tests.pages.conftest import Places
from tests.pages.listed import PAGES
from tests.pages.watched import sign_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,  # a million rows
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
MOST_MS = 500
USUAL_MS = 75  # that a line of text takes at most where nothing else runs
TIMES = 7
TRIVIAL = "data:text/html,<title>a line</title><p>of text"
_PAINT = """() => new Promise((done) => new PerformanceObserver((list) => {
  for (const one of list.getEntries())
    if (one.name === 'first-contentful-paint') done(one.startTime)
}).observe({type: 'paint', buffered: true}))"""


@pytest.fixture(scope="module")
def painted() -> Iterator[dict[str, list[float]]]:
    """Milliseconds of each page, and of a line of text; kept for docs/benchmarks.md."""
    took: dict[str, list[float]] = {}
    yield took
    write_result("paint", {"pages": took})


def _paint_ms(chromium: Browser, url: str, address: str, key: str) -> float:
    """The median of several, each with an empty cache."""
    took = []
    for _ in range(TIMES):
        context = chromium.new_context()
        sign_in(context, url, key)
        page = context.new_page()
        page.goto(address)
        took.append(page.evaluate(_PAINT))
        context.close()
    return median(took)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_a_large_database_is_painted_at_once(
    path: str, places: Places, chromium: Browser, painted: dict[str, list[float]]
) -> None:
    place, url = places.make("large"), places.serve("large")
    key = place.keys["owner"]
    trivial = _paint_ms(chromium, url, TRIVIAL, key)
    found = _paint_ms(chromium, url, f"{url}{place.fill(path)}", key)
    painted[path] = [round(found), round(trivial)]

    assert found < MOST_MS * max(1.0, trivial / USUAL_MS), f"a line of text: {trivial:.0f} ms"

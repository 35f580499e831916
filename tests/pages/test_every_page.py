"""Every page, as whoever may open it, on a desk and on a phone, with little and with much in it."""

import html
import re

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser import find_chromium
from tests.pages.conftest import Places
from tests.pages.listed import OTHER, PAGES
from tests.pages.places import ROLES
from tests.pages.watched import SIZES, tab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
MOST_SCRIPT_BYTES = 100_000
EXPLAINED_MS = 90_000  # the first explanation starts a process that imports SHAP


def test_every_link_leads_to_a_page_that_is_tried_here(places: Places) -> None:
    place, url = places.make("typical"), places.serve("typical", "open")
    listed = sorted(
        (*PAGES, *OTHER), key=lambda path: (path.count("{"), -len(path))
    )  # narrow first
    known = [_pattern(path) for path in listed]
    asked, seen = ["/"], {"/"}
    with httpx.Client(base_url=url, headers={"Accept": "text/html"}, timeout=60) as client:
        while asked:
            page = client.get(asked.pop())
            assert page.status_code == 200, page.url
            links = re.findall(r'(?:href|src|hx-get)="(/[^"]*)"', page.text)
            for link in map(html.unescape, links if "<main" in page.text else []):
                pattern = next((one for one in known if one.fullmatch(link.split("?")[0])), None)
                assert pattern or link.endswith(("/reasons", "/outcomes")), f"{page.url}: {link}"
                if pattern and pattern not in seen:  # one of a kind
                    seen.add(pattern)
                    asked.append(link)
    missing = [path for path, one in zip(listed, known, strict=True) if one not in seen]

    assert place.known["version"] and missing == [], "no page links to these"


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "rows", ["empty", "typical", pytest.param("large", marks=pytest.mark.long)]
)
def test_a_page_opens_well(
    rows: str, role: str, size: str, path: str, places: Places, chromium: Browser
) -> None:
    place = places.make(rows)
    asked = place.fill(path)
    if asked is None:
        pytest.skip("an empty database has none")
    url = places.serve(rows, "closed" if ROLES[role] else "open")
    with tab(chromium, url, size, place.keys.get(role)) as person:
        person.open(asked)
        person.page.wait_for_load_state("networkidle", timeout=EXPLAINED_MS)

        assert person.page.locator("h1").count() == 1
        wide = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "a page is no wider than its window"
        assert sum(person.scripts.values()) < MOST_SCRIPT_BYTES, person.scripts
        assert person.violations() == []
        assert person.wrong == []

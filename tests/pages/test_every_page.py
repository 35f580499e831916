"""Every page, as whoever may open it, on a desk and on a phone, with little and with much in it."""

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser import find_chromium
from tests.pages.conftest import Places
from tests.pages.listed import NOT_WRITTEN, PAGES, WRITTEN
from tests.pages.places import ROLES, ROWS
from tests.pages.watched import SIZES, tab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
MOST_SCRIPT_BYTES = 100_000


@pytest.mark.parametrize("path", PAGES)
def test_only_pages_that_nobody_has_written_are_passed_over(path: str, places: Places) -> None:
    url = places.serve("typical", "open")
    asked = places.make("typical").fill(path)
    answer = httpx.get(f"{url}{asked}", headers={"Accept": "text/html"})
    is_page = answer.status_code == 200 and "<main" in answer.text

    assert is_page is (path not in NOT_WRITTEN), (
        f"{path} {'is written: take it off' if is_page else 'is gone: it is not on'} NOT_WRITTEN "
        "of tests/pages/listed.py, which has to end empty"
    )


@pytest.mark.parametrize("path", WRITTEN)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("rows", ROWS)
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
        person.page.wait_for_load_state("networkidle")

        assert person.page.locator("h1").count() == 1
        wide = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "a page is no wider than its window"
        assert sum(person.scripts.values()) < MOST_SCRIPT_BYTES, person.scripts
        assert person.violations() == []
        assert person.wrong == []

"""Whoever has no mouse reaches each control, and sees where they are."""

import pytest
from playwright.sync_api import Browser

from tests.browser import find_chromium
from tests.pages.conftest import Places
from tests.pages.listed import PAGES
from tests.pages.watched import SIZES, Tab, tab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
MORE = 40  # presses beyond the controls: scrolled boxes and parts of a moment can be reached too

_MARK = """() => {
  const all = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]'
  const seen = (one) => one.checkVisibility({visibilityProperty: true}) && !one.disabled
  const found = [...document.querySelectorAll(all)].filter(seen)
  found.forEach((one, place) => one.dataset.place = place)
  document.activeElement.blur()
  return found.map((one) => one.outerHTML.slice(0, 120))
}"""
# Where the keyboard is, and what shows it: an outline, in a colour that is not the ground's.
_WHERE = """() => {
  const one = document.activeElement, style = getComputedStyle(one)
  const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
  const box = one.getBoundingClientRect()
  const inside = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0
    && box.left < innerWidth
  return {place: one.dataset.place, shown: shown && inside}
}"""


def _walk(person: Tab) -> tuple[list[str], set[int], list[int]]:
    """The controls of a page, those that Tab reached, and those that did not show it."""
    controls: list[str] = person.page.evaluate(_MARK)
    reached, hidden = set(), []
    for _ in range(len(controls) + MORE):
        person.page.keyboard.press("Tab")
        where = person.page.evaluate(_WHERE)
        if where["place"] is not None:
            reached.add(int(where["place"]))
            hidden += [] if where["shown"] else [int(where["place"])]
    return controls, reached, hidden


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("size", SIZES)
def test_tab_reaches_each_control_and_shows_it(
    size: str, path: str, places: Places, chromium: Browser
) -> None:
    place, url = places.make("typical"), places.serve("typical")
    with tab(chromium, url, size, place.keys["owner"]) as person:
        person.open(place.fill(path) or path)
        controls, reached, hidden = _walk(person)

        assert [c for i, c in enumerate(controls) if i not in reached] == []
        assert [controls[i] for i in hidden] == []


def test_the_first_tab_skips_to_the_content(places: Places, chromium: Browser) -> None:
    place, url = places.make("typical"), places.serve("typical")
    with tab(chromium, url, "desktop", place.keys["owner"]) as person:
        person.open("/reports")
        person.page.keyboard.press("Tab")
        person.page.keyboard.press("Enter")

        assert person.page.evaluate("document.activeElement.id") == "main"

"""What a person does with the product, in one go, as far as its pages are there.

Each step leaves the tab where the next one begins. When their pages are written, the steps to come
are: find the prediction again, post its outcome, see it counted, run a check, open its report, see
what the governor answered, promote, roll back.
"""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import find_chromium
from tests.pages.conftest import Places
from tests.pages.watched import SIZES, Tab, tab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
EXPLAINED_MS = 60_000  # the first explanation starts a process that imports SHAP
TRIES = 5


@pytest.mark.parametrize("size", SIZES)
def test_a_person_finds_their_way(size: str, places: Places, chromium: Browser) -> None:
    place, url = places.make("typical"), places.serve("typical")
    with tab(chromium, url, size) as person:
        _is_led_to_the_form_and_back(person, place.keys["owner"])
        _tries_a_prediction(person)
        prediction = _sees_the_reasons(person)
        _opens_it_by_its_id(person, prediction)
        _signs_out(person)
        assert person.wrong == []


def test_who_may_only_read_is_told_so_and_nothing_is_asked(
    places: Places, chromium: Browser
) -> None:
    place, url = places.make("typical"), places.serve("typical")
    with tab(chromium, url, "desktop", place.keys["reader"]) as person:
        person.open("/try")
        person.page.get_by_role("button", name="Predict", exact=True).click()

        expect(person.page.get_by_role("alert")).to_have_text(
            "this needs a key with the scope predict"
        )
        assert person.page.locator("#answer").inner_text() == ""


def _is_led_to_the_form_and_back(person: Tab, key: str) -> None:
    page = person.page
    person.open("/")
    expect(page).to_have_title("Sign in - Perennial")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{person.url}/")
    expect(page.get_by_role("heading", name="Champion")).to_be_visible()


def _tries_a_prediction(person: Tab) -> None:
    page = person.page
    page.get_by_role("link", name="Try it").click()
    page.get_by_label("index").fill("9")
    page.get_by_role("button", name="Predict", exact=True).click()
    answer = page.locator("#answer")
    expect(answer.get_by_role("heading", name=re.compile("^it: (yes|no)$"))).to_be_visible()
    expect(answer).to_contain_text("Probability")


def _sees_the_reasons(person: Tab) -> str:
    """A busy machine may say `try again`, as the explainer starts."""
    told = person.page.locator("#answer").get_by_text(re.compile("^(Main reasons|No reasons: .*)$"))
    for _ in range(TRIES):
        told.wait_for(timeout=EXPLAINED_MS)
        if told.inner_text() == "Main reasons":
            break
        _tries_a_prediction(person)
    reasons = person.page.locator("#answer table").first
    expect(reasons).to_contain_text("index")
    return person.page.locator("#answer").get_by_role("link").inner_text()


def _opens_it_by_its_id(person: Tab, prediction: str) -> None:
    person.page.get_by_role("link", name=prediction).click()
    expect(person.page).to_have_url(f"{person.url}/predictions/{prediction}")
    expect(person.page.locator("body")).to_contain_text(prediction)
    person.page.go_back()


def _signs_out(person: Tab) -> None:
    person.page.get_by_role("button", name="Sign out").click()
    expect(person.page).to_have_title("Sign in - Perennial")
    person.open("/")
    expect(person.page).to_have_title("Sign in - Perennial")

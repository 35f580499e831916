"""What a person does with the product, in one go, from the sign-in to the rollback.

Each step leaves the tab where the next one begins. A scheduler runs beside the service, which makes
the check; the governor says no to the retrain, for the budget of a lived-in database is spent.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import find_chromium
from tests.pages.conftest import Places
from tests.pages.places import add_version, scheduled
from tests.pages.watched import SIZES, Tab, tab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
EXPLAINED_MS = 60_000  # the first explanation starts a process that imports SHAP
TRIES = 5
FILE_ROWS = 5_000
CHECKED_MS = 120_000  # a check with its Evidently report


@pytest.mark.parametrize("size", SIZES)
def test_a_person_finds_their_way(
    size: str, places: Places, chromium: Browser, tmp_path: Path
) -> None:
    place, url = places.make("typical"), places.serve("typical")
    rival = add_version(place, tmp_path, seed=len(size))
    with tab(chromium, url, size) as person, scheduled(place, tmp_path / "scheduler.log"):
        _is_led_to_the_form_and_back(person, place.keys["owner"])
        _tries_a_prediction(person)
        prediction = _sees_the_reasons(person)
        _opens_it_by_its_id(person, prediction)
        before = _labels(person)
        _posts_its_outcome(person, prediction)
        _runs_a_check(person)
        assert _sees_it_counted(person) == before + 1
        _opens_the_report(person)
        _is_told_why_there_is_no_retrain(person, size)
        _promotes(person, rival)
        _rolls_back(person, rival)
        _signs_out(person)
        assert person.wrong == []


def test_a_file_goes_on_while_its_page_is_left(places: Places, chromium: Browser) -> None:
    place, url = places.make("typical"), places.serve("typical")
    with tab(chromium, url, "desktop", place.keys["asker"]) as person:
        page = person.page
        person.open("/try")
        page.get_by_text("Several rows at once").click()
        file = {"name": "a.csv", "mimeType": "text/csv"}
        rows = ("index\n" + "9\n" * FILE_ROWS).encode()
        page.get_by_label("or a file").set_input_files({**file, "buffer": rows})
        expect(page.get_by_label("Rows as CSV")).to_have_value(rows.decode())
        page.get_by_role("button", name="Predict all").click()
        expect(page).to_have_url(re.compile("/try/files/"))
        person.open("/models")
        person.open("/try")
        newest = page.get_by_role("row", name=f"{FILE_ROWS:,}").first
        newest.get_by_role("link").click()
        expect(page.get_by_text("done", exact=True)).to_be_visible(timeout=CHECKED_MS)
        expect(page.get_by_text(f"{FILE_ROWS:,} of {FILE_ROWS:,} rows")).to_be_visible()
        with page.expect_download() as taken:
            page.get_by_role("link", name="CSV").click()
        assert taken.value.path().read_text().count("\n") == FILE_ROWS + 1
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
    """As somebody who has noted the id."""
    page = person.page
    page.get_by_role("link", name="Predictions", exact=True).click()
    page.get_by_label("Prediction id").fill(prediction)
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(f"{person.url}/predictions/{prediction}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(prediction)


def _labels(person: Tab) -> int:
    """How many outcomes the newest check knew; the tab comes back."""
    page, here = person.page, person.page.url
    page.get_by_role("link", name="Monitoring", exact=True).click()
    page.get_by_role("link", name="Open the check").first.click()
    counted = _sees_it_counted(person)
    page.goto(here)
    return counted


def _sees_it_counted(person: Tab) -> int:
    fact = person.page.locator("dl.facts div", has_text="outcomes since training").locator("dd")
    return int(fact.inner_text().replace(",", ""))


def _posts_its_outcome(person: Tab, prediction: str) -> None:
    page = person.page
    page.get_by_label("What became true").select_option("yes")
    page.get_by_role("button", name="Enter outcome").click()
    expect(page.locator("#told")).to_contain_text("recorded")
    expect(page.get_by_role("heading", name="Outcome: yes")).to_be_visible()
    page.get_by_role("link", name="All predictions").click()
    row = page.get_by_role("row", name=prediction)
    expect(row.get_by_role("cell").nth(4)).to_have_text("yes")


def _act(person: Tab, button: str, dialog: str, reason: str) -> None:
    page = person.page
    page.get_by_role("button", name=button, exact=True).wait_for()
    page.wait_for_function("document.readyState === 'complete'")  # scripts come after the button
    page.get_by_role("button", name=button, exact=True).click()
    asked = page.get_by_role("dialog", name=re.compile(dialog))
    asked.get_by_label("Why?").fill(reason)
    asked.get_by_label("Yes, I want this").check()
    asked.get_by_role("button", name=button, exact=True).click()


def _runs_a_check(person: Tab) -> None:
    """Leaves it, and finds it again."""
    page, reason = person.page, f"to see it counted {person.page.viewport_size}"
    page.get_by_role("link", name="Monitoring", exact=True).click()
    _act(person, "Check now", "Check the newest", reason)
    errand = page.locator(".errand", has_text=reason)
    expect(errand).to_be_visible()
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("link", name="Monitoring", exact=True).click()
    expect(errand.get_by_text("done", exact=True)).to_be_visible(timeout=CHECKED_MS)
    errand.get_by_role("link", name="Open the check").click()


def _opens_the_report(person: Tab) -> None:
    """Its own scripts draw it, in a sandbox of their own."""
    page = person.page
    page.get_by_role("link", name="Open the distributions").click()
    expect(page.get_by_text("Drift", exact=False).first).to_be_visible(timeout=EXPLAINED_MS)
    assert page.evaluate("window.origin") == "null"
    page.go_back()


def _is_told_why_there_is_no_retrain(person: Tab, size: str) -> None:
    page, reason = person.page, f"I should like a newer one on my {size}"
    page.get_by_role("link", name="Monitoring", exact=True).click()
    _act(person, "Retrain now", "Ask for a retrain", reason)
    errand = page.locator(".errand", has_text=reason)
    expect(errand.get_by_text("refused", exact=True)).to_be_visible(timeout=CHECKED_MS)
    page.reload()
    decision = page.get_by_role("table", name="Whoever wanted").get_by_role("row", name=reason)
    expect(decision).to_contain_text("the budget is spent")


def _promotes(person: Tab, version: str) -> None:
    page = person.page
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("link", name=version).first.click()
    _act(person, "Promote", "champion", "a person has looked at it")
    expect(page.get_by_text("It is the champion.")).to_be_visible()
    person.open("/")
    expect(page.get_by_role("link", name=re.compile("^Champion "))).to_contain_text(version)


def _rolls_back(person: Tab, version: str) -> None:
    page = person.page
    page.get_by_role("link", name="Models", exact=True).click()
    _act(person, "Roll back", "Return to the champion", "it was better before")
    expect(page.get_by_role("dialog")).to_be_hidden()
    person.open("/")
    expect(page.get_by_role("link", name=re.compile("^Champion "))).not_to_contain_text(version)


def _signs_out(person: Tab) -> None:
    person.page.get_by_role("button", name="Sign out").click()
    expect(person.page).to_have_title("Sign in - Perennial")
    person.open("/")
    expect(person.page).to_have_title("Sign in - Perennial")

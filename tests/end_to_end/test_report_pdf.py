"""`make report` on a fresh clone: a PDF in which every picture shows something."""

import re
from html import unescape
from pathlib import Path

import matplotlib.image as images
import pytest

from deploy.report.__main__ import count_pages
from deploy.report.render import CONTENTS
from deploy.report.tour import PAGES as TOUR
from tests.browser import find_chromium
from tests.end_to_end.conftest import run_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
DRAWN = re.compile(r"<(path|rect|use|line|circle|text)\b")
PAGES = {path for _, path, _ in TOUR}


@pytest.fixture(scope="module")
def report(trained_clone: Path) -> Path:
    """The directory that the command has written."""
    said = run_in(trained_clone, "python", "-m", "deploy.report", seconds=900)
    assert re.search(r"report/perennial\.pdf: \d+ pages", said)
    return trained_clone / "report"


@pytest.fixture(scope="module")
def html(report: Path) -> str:
    return (report / "perennial.html").read_text()


def test_the_pdf_has_a_reports_length(report: Path) -> None:
    pdf = report / "perennial.pdf"

    assert pdf.read_bytes().startswith(b"%PDF-")
    assert 15 <= count_pages(pdf) <= 40
    assert pdf.stat().st_size < 10_000_000


def test_every_section_is_there(html: str) -> None:
    for anchor, title in CONTENTS.items():
        assert f'<section id="{anchor}">' in html
        assert html.count(title) >= 2  # on the cover, too


def test_every_drawn_figure_shows_something(html: str) -> None:
    drawn = re.findall(r"<figure[^>]*><svg.*?</svg>", html, re.DOTALL)

    assert len(drawn) >= 12
    for each in drawn:
        assert len(DRAWN.findall(each)) > 20
        assert ' d="M nan' not in each


def test_every_page_that_exists_was_pictured(report: Path, html: str) -> None:
    shots = re.findall(r'<img src="(screens/[a-z]+\.png)" alt="The page ([^"]+)">', html)

    assert {path for _, path in shots} == PAGES
    for file, _ in shots:
        pixels = images.imread(report / file)
        assert pixels.std() > 0.03
        assert pixels.shape[0] > 400


def test_no_number_is_missing_and_nothing_stands_in(html: str) -> None:
    words = unescape(re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]+>", " ", html, flags=re.S))

    assert not re.findall(r".{20}(?:\bnan\b|\bNone\b|\{\{|\}\}|TODO|lorem).{20}", words)
    assert "was asked" in words and "the check decided" in " ".join(words.split())


def test_the_copy_is_gone(trained_clone: Path) -> None:
    assert not (trained_clone / "var").exists()

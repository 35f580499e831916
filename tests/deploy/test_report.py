"""The report: its numbers follow the files, its words hold none, what is missing is said."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import matplotlib.image as images
import numpy as np
import pandas as pd
import pytest
import yaml
from jinja2 import Environment

from contracts.params import Params, load_params
from deploy.report import wording
from deploy.report.__main__ import write_report
from deploy.report.chromium import find_chromium
from deploy.report.measured import Measured, find_blocks
from deploy.report.passing import recent_hours
from deploy.report.render import Edition, render
from deploy.report.selected import BLOCKS, select
from deploy.report.sources import SOURCES, ReportError, read_sources
from deploy.report.tour import Shot, Tour
from deploy.report.trim import trim
from tests.deploy.report_files import HOSTILE, ROOT, write_project

TEMPLATES = ROOT / "deploy" / "report" / "templates"
EDITION = Edition(datetime(2026, 1, 2, tzinfo=UTC), "abcabc", "dededede")
TOUR = Tour(1234, 987, 21, "keep: all is well", (Shot("/", "overview", "screens/overview.png"),))
COUNTED = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|thousand|"
    r"million|dozen)\b",
    re.IGNORECASE,
)
GATE = """<!-- bench-gate -->
| decisions | sabotaged and worse: promoted | truly better: promoted | all honest: blocked |
| --- | --- | --- | --- |
| all months | {} of 777 | 5 of 6 | 1 of 9 |

| sabotage | trials | worse | promoted | of them worse |
| --- | --- | --- | --- | --- |
| flipped | 16 | 13 | {} | 0 |
<!-- end -->"""


def _rendered(root: Path, measured: Mapping[str, Measured], tour: Tour | None = TOUR) -> str:
    return render(read_sources(root), measured, tour, EDITION, ROOT)


def _words(html: str) -> str:
    """What a reader sees, without pictures; blanks are plain."""
    text = re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]+>", " ", html, flags=re.DOTALL)
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Reports on projects that differ in every number, by seed."""
    return {
        seed: _rendered(
            write_project(tmp_path_factory.mktemp("project"), seed),
            dict(find_blocks(GATE.format(seed, seed), "docs/x.md")),
        )
        for seed in (1, 4)
    }


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("61% of all pairs", "64% of all pairs"),
        ("11.0 % of the error", "14.0 % of the error"),
        ("4,801 flights up to", "4,804 flights up to"),
        ("7,001 questions were answered", "7,004 questions were answered"),
        ("log-loss of 0.4010, the untouched model 0.5010", "0.4040, the untouched model 0.5040"),
        ("1 of 777 spoiled", "4 of 777 spoiled"),
        ("late from a probability of 21 %", "late from a probability of 24 %"),
        ("found 151 of 201 late flights", "found 154 of 204 late flights"),
        ("measured on 501 windows", "measured on 504 windows"),
        ("0 failures, 1 warnings", "0 failures, 4 warnings"),
        ("answered within 4 ms", "answered within 7 ms"),
    ],
)
def test_numbers_follow_the_files(pages: dict[int, str], first: str, other: str) -> None:
    one, two = (_words(pages[seed]).replace(" % of all pairs", "% of all pairs") for seed in (1, 4))

    assert first in one and first not in two
    assert other in two and other not in one


def test_pictures_follow_the_files(pages: dict[int, str]) -> None:
    one, two = (re.findall(r"<figure><svg.*?</svg>", pages[seed], re.DOTALL) for seed in (1, 4))

    assert len(one) == len(two) >= 9
    # The candidates' scores are the same in both projects.
    assert sum(a == b for a, b in zip(one, two, strict=True)) <= 1


def test_the_verdict_turns_with_the_replay(tmp_path: Path) -> None:
    contents = read_sources(write_project(tmp_path / "project", 1))
    for month in contents["replay"]["months"]:
        month["log_loss"]["live"] = 0.9

    words = _words(render(contents, {}, None, EDITION, ROOT))

    assert "looking after the model did not pay off here" in words
    assert "brought nothing here" in words
    assert "pays off here" not in words


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.glob("*.html")) + [TEMPLATES / "architecture.svg"]
)
def test_templates_have_words_and_no_numbers(path: Path) -> None:
    tokens = list(Environment().lex(path.read_text()))
    markup = "".join(text for _, kind, text in tokens if kind == "data")
    said = re.sub(r"<[^>]*>|&[a-z]+;", " ", markup)
    said += " ".join(text for _, kind, text in tokens if kind == "string" and " " in text)

    assert not re.findall(r".{0,30}\d.{0,30}", said)
    assert not COUNTED.findall(said)


def test_what_no_benchmark_measured_is_said_with_its_command(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project", 1)
    for name in ("replay", "drift"):
        (root / SOURCES[name].path).unlink()

    html = _rendered(root, {}, None)

    for command in (
        "make replay UNTIL=2014-01-01",
        "make bench-drift",
        "make bench-serve",
        "make faults",
        "make bench-harm",
        "make bench-estimate",
        "make bench-gate",
    ):
        assert f"<code>{command}</code> does it" in html
    assert "(not there)" in html


def test_a_missing_output_of_the_pipeline_names_its_command(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project", 1)
    (root / "build/metrics.json").unlink()

    with pytest.raises(ReportError, match=r"build/metrics\.json is missing; `make repro` makes it"):
        read_sources(root)


def test_another_table_has_no_flights_in_its_problem(tmp_path: Path) -> None:
    contents = read_sources(write_project(tmp_path / "project", 1))
    contents["params"]["data"]["source"] = "table"

    words = _words(render(contents, {}, TOUR, EDITION, ROOT))

    assert "The question is the value of late" in words
    assert "What will late be?" in words
    assert "A passenger with a connection" not in words


def test_names_and_values_are_never_markup(pages: dict[int, str]) -> None:
    assert HOSTILE not in pages[1]
    assert "&lt;script" in pages[1]


def test_every_origin_is_listed(pages: dict[int, str]) -> None:
    words = _words(pages[1])

    for source in SOURCES.values():
        assert source.path in words
    assert "docs/x.md" in words


def test_documents_still_have_the_tables_that_the_report_picks() -> None:
    found: dict[str, Measured] = {}
    for document in ("docs/benchmarks.md", "docs/monitoring-quality.md"):
        found |= dict(find_blocks((ROOT / document).read_text(), document))

    assert set(BLOCKS) <= set(found)
    assert [name for name, table in select(found).items() if table is None] == []


def test_a_column_that_is_gone_is_no_blank_table() -> None:
    blocks = dict(find_blocks(GATE.replace("truly better", "better").format(0, 0), "docs/x.md"))

    with pytest.raises(ReportError, match="no column 'truly better"):
        select(blocks)


def test_other_questions_than_yes_or_no_are_refused(tmp_path: Path) -> None:
    if find_chromium() is None:
        pytest.skip("needs Chromium")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["data"] |= {"task": "regression", "classes": []}
    params["train"]["calibration"] = ["none"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))

    with pytest.raises(ReportError, match="this one is regression"):
        write_report(tmp_path, tmp_path / "out", with_tour=False, say=lambda _: None)


def test_without_chromium_a_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ReportError, match="apt-get install chromium"):
        find_chromium()


@pytest.mark.parametrize(
    ("filter_", "value", "text"),
    [
        ("count", 1234567.4, "1,234,567"),
        ("share", 0.1234, "12.3 %"),
        ("day", "2013-01-05", "5 January 2013"),
        ("month", "2013-04", "April 2013"),
        ("size", 1_234_567, "1 MB"),
        ("interval", (0.1, 0.25), "0.100 to 0.250"),
        ("settings", '{"max_iter": 80, "C": 0.5}', "max iter 80, C 0.5"),
    ],
)
def test_numbers_read_well(filter_: str, value: object, text: str) -> None:
    assert wording.FILTERS[filter_](value).replace("\N{NO-BREAK SPACE}", " ") == text


def test_rows_of_the_tour_end_now(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project", 1)
    frame = pd.read_parquet(root / "build/prepared.parquet")
    params = load_params(root / "params.yaml")
    other = Params.model_validate(
        params.model_dump() | {"data": params.data.model_dump() | {"source": "table"}}
    )
    schema = SimpleNamespace(names=["sched_dep", "temp"], target=SimpleNamespace(name="late"))
    now = datetime(2026, 5, 5, 5, tzinfo=UTC)

    hours = recent_hours(root, other, schema, now)  # type: ignore[arg-type]

    assert timedelta() <= now - hours[-1].at < timedelta(days=1)
    assert hours[-1].rows[-1][0] == frame.sched_dep.iloc[-1]
    assert hours[-1].outcomes[-1] == (frame.late.iloc[-1], hours[-1].at + timedelta(days=1))
    assert hours[-1].at - hours[0].at <= timedelta(days=21)


def test_a_picture_loses_its_empty_end(tmp_path: Path) -> None:
    pixels = np.ones((300, 40, 3))
    pixels[:50] = 0
    images.imsave(tmp_path / "shot.png", pixels)

    trim(tmp_path / "shot.png")

    assert images.imread(tmp_path / "shot.png").shape[:2] == (49 + 24, 40)

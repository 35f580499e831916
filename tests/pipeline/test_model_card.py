"""The model card says what it should for each task, and no name can break it."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.params import Cost
from contracts.schema import ANSWER, BASELINE
from pipeline.cards.charts import new_chart, to_svg
from pipeline.cards.document import escape_markdown
from pipeline.cards.facts import CardFacts
from pipeline.cards.model_card import write_html_card, write_model_card
from pipeline.evaluation.measures import measure
from pipeline.evaluation.segments import worst_segments
from tests.pipeline.holdouts import TARGETS, make_holdout, make_params, make_schema

TASKS = list(TARGETS)
HOSTILE = "a|b`c\n</td><script>alert(1)</script> $x^2 \\ *日本* _z_ \x00\x1f\u2028[l](u)"
SECTIONS = ["What it answers", "Intended use and limits", "Data", "Quality", "Where it is weakest",
            "What it looks at", "How it was chosen", "Features", "How it is served"]  # fmt: skip


def make_facts(task: str, **more: Any) -> CardFacts:
    schema, params, holdout = make_schema(task), make_params(task, "time"), make_holdout(task)
    search = pd.DataFrame(
        {
            "candidate": ["logistic_regression"] * 3 + ["gradient_boosting"] * 3,
            "values": [{"C": c} for c in (0.1, 1.0, 10.0)]
            + [{"max_iter": i} for i in (30, 60, 90)],
            "mean_score": [-0.52, -0.51, -0.515, -0.50, -0.49, -0.495],
            "std_score": [0.01, 0.02, 0.01, 0.015, 0.01, 0.02],
            "complexity": [1, 1, 1, 2, 2, 2],
        }
    )
    importance = pd.DataFrame(
        {"feature": ["hour of day", "carrier"], "mean": [0.2, 0.01], "std": [0.01, 0.002]}
    )
    facts = {
        "schema": schema,
        "params": params,
        "chosen": {"candidate": "gradient_boosting", "values": {"max_iter": 60},
                   "calibration": "sigmoid"},
        "metrics": measure(holdout, schema, params, np.random.default_rng(1)),
        "origin": {"rows": 9000, "trained_from": "2013-01-01T05:00:00+00:00",
                   "trained_until": "2013-02-20T05:00:00+00:00"},
        "holdout": holdout,
        "segments": worst_segments(holdout, schema, params.data),
        "importance": importance,
        "search": search,
        "parity": 2e-7,
    }  # fmt: skip
    return CardFacts(**{**facts, **more})


class _Checker(HTMLParser):
    """Counts tags, and whether each one is closed in its place."""

    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _check_html(page: str) -> list[str]:
    checker = _Checker()
    checker.feed(page)
    assert not checker.open
    assert "script" not in checker.seen
    assert set(re.findall(r'(?:src|href)="(.{5})', page)) <= {"data:"}
    return checker.seen


def _check_tables(card: str) -> None:
    """Every row of a Markdown table has as many cells as its head."""
    for table in re.findall(r"(?:^\|.*\n?)+", card, re.MULTILINE):
        rows = [re.sub(r"\\.", "", row) for row in table.splitlines()]
        assert len({row.count("|") for row in rows}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_card_has_every_section_and_repeats(task: str) -> None:
    cards = [(write_model_card(make_facts(task)), write_html_card(make_facts(task)))
             for _ in range(2)]  # fmt: skip

    assert cards[0] == cards[1]
    markdown, page = cards[0]
    titles = re.findall(r"^## (.+)$", markdown, re.MULTILINE)
    assert set(SECTIONS) < set(titles)
    assert re.findall("<h2>(.+?)</h2>", page) == titles
    assert _check_html(page).count("img") == {"binary": 8, "multiclass": 7, "regression": 6}[task]
    _check_tables(markdown)


@pytest.mark.parametrize(
    ("task", "texts"),
    [
        ("binary", ["From 0.4 upwards it predicts 1, below 0", "largest F1", "ROC AUC",
                    "are calibrated (sigmoid)", "hour of day \\< 6 and carrier = UA",
                    "no champion", "at most 2.0e-07"]),
        ("multiclass", ["each of 3 classes", "no, a bit, very", "likeliest",
                        "F1, mean over classes"]),
        ("regression", ["within 1.6000 of the answer for 90%", "mean absolute error",
                        "are 3.2000 wide"]),
    ],
)  # fmt: skip
def test_card_says_what_the_task_needs(task: str, texts: list[str]) -> None:
    card = write_model_card(make_facts(task))

    assert [text for text in texts if text not in card] == []


def test_card_says_why_it_is_not_served_by_onnx() -> None:
    facts = make_facts("binary", parity=None, skops_reason="ONNX splits text otherwise.")

    assert "model.skops), which is slower: ONNX splits text otherwise." in write_model_card(facts)


def test_card_shows_the_champion_findings_cost_and_classes_left_out() -> None:
    facts = make_facts("binary")
    params = make_params("binary", evaluate={"cost": Cost(false_positive=1, false_negative=5)})
    data = params.data.model_copy(update={"ignored_classes": ["cancelled"], "split": "grouped"})
    champion = {"version": "abcdef", "rows": 900, "excess": -0.01, "low": -0.02, "high": 0.001,
                "measures": facts.metrics, "champion_measures": facts.metrics}  # fmt: skip
    card = write_model_card(
        replace(
            facts,
            params=params.model_copy(update={"data": data}),
            champion=champion,
            findings=[{"rule": "duplicates", "severity": "warn", "what": "3 rows occur twice"}],
            uncalibrated=facts.judged.answers**2,
        )
    )

    assert "the champion abcdef has not learned from" in card
    assert "its loss is 0.0100 a row below the champion's" in card
    assert "| duplicates | warn | 3 rows occur twice |" in card
    assert "1 for each false 1 and 5 for each missed one" in card
    assert "Rows whose late is cancelled were left out" in card
    assert "with the same order stay together" in card


@pytest.mark.parametrize("task", TASKS)
def test_no_name_breaks_a_card(task: str) -> None:
    facts = make_facts(task)
    rename = {"late": HOSTILE, "carrier": HOSTILE + "2"}
    features = tuple(
        replace(f, name=rename.get(f.name, f.name), categories=(HOSTILE,) if f.categories else ())
        for f in facts.schema.features
    )
    target = replace(facts.schema.target, name=HOSTILE)
    if task != "regression":
        target = replace(target, classes=(HOSTILE, *target.classes[1:]))
    schema = replace(facts.schema, features=features, target=target)
    old = str(facts.schema.target.classes[0]) if facts.schema.target.classes else ""
    holdout = facts.holdout.rename(columns=rename).replace({"carrier": {"UA": HOSTILE}})
    holdout = holdout.rename(
        columns={ANSWER + old: ANSWER + HOSTILE, BASELINE + old: BASELINE + HOSTILE}
    )
    if task != "regression":
        first = facts.schema.target.classes[0]
        labels = [HOSTILE if value == first else value for value in holdout[HOSTILE]]
        holdout[HOSTILE] = pd.Series(labels, dtype=object)
    hostile = replace(
        facts,
        schema=schema,
        holdout=holdout,
        segments=worst_segments(holdout, schema, facts.params.data),
        importance=facts.importance.assign(feature=[HOSTILE, "_x"]),
        chosen={"candidate": HOSTILE, "values": {HOSTILE: HOSTILE}, "calibration": HOSTILE},
        search=facts.search.assign(candidate=HOSTILE),
        findings=[{"rule": HOSTILE, "what": HOSTILE}],
    )

    page, card = write_html_card(hostile), write_model_card(hostile)

    _check_html(page)
    _check_tables(card)
    assert "\x00" not in page + card
    assert "<script" not in re.sub(r"\\<", "", card)
    assert re.findall(r"^## (.+)$", card, re.MULTILINE)[: len(SECTIONS)]


def test_wide_card_stays_bounded() -> None:
    """What grows with the table is the list of features alone."""
    facts = make_facts("multiclass")
    importance = pd.DataFrame({"feature": [f"f{i}" for i in range(500)], "mean": 0.1, "std": 0.0})

    assert "f20" not in write_model_card(replace(facts, importance=importance))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("sched_dep", "sched_dep"),
        ("_x_ y_", "\\_x\\_ y\\_"),
        ("a|b\nc", "a\\|b c"),
        ("1. x", "1\\. x"),
        ("- x", "\\- x"),
        ("-0.5", "-0.5"),
        ("0.81", "0.81"),
        ("---", "\\---"),
        ("`<b>&amp;", "\\`\\<b\\>\\&amp;"),
    ],
)
def test_markdown_is_escaped(text: str, escaped: str) -> None:
    assert escape_markdown(text) == escaped


def test_pictures_show_names_in_any_alphabet_as_they_are() -> None:
    figure, _ = new_chart("cost in $ and $ 日本", "<x>", "&")
    svg = to_svg(figure).decode()

    assert "cost in $ and $ 日本" in svg
    assert "&lt;x&gt;" in svg
    assert "date" not in svg

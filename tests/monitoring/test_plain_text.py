"""What a report shows of names and values is text in every context, short, and still told apart."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from monitoring.plain_text import (
    LENGTH,
    MOST_VALUES,
    REST,
    plain,
    plain_names,
    plain_values,
    type_column,
)

SCHEMA = FeatureSchema(
    (Feature("word", "categorical", True), Feature("size", "numeric", True)),
    Target("y", (0, 1)),
    EVENT_TIME,
)


@given(st.text(alphabet=st.characters(), max_size=200))
def test_nothing_that_means_more_than_text_is_left(text: str) -> None:
    shown = plain(text)

    assert not set(shown) & set("<>&\"'`\\{}")
    assert shown.isprintable()
    assert len(shown) <= LENGTH


@pytest.mark.parametrize("text", ["New York", "größe ☃", "a/b:c-d_e (f) 10 %", "≥ 5 €", "日本"])
def test_usual_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_text_is_cut_by_what_it_takes_in_the_page() -> None:
    assert plain("x" * 40) == "x" * 40
    assert plain("x" * 41) == "x" * 39 + "…"
    assert plain("😀" * 20) == "😀" * 20
    assert plain("😀" * 21) == "😀" * 19 + "…"
    assert plain("") == ""


def test_what_is_invisible_becomes_visible() -> None:
    assert plain("a\u202eb\x00\n") == "a‹202e›b‹00›‹0a›"


def test_names_that_would_look_alike_get_a_number() -> None:
    long = "x" * 100
    shown = plain_names(["<a>", "‹a›", long + "1", long + "2"])

    assert list(shown.values())[:2] == ["‹a›", "‹a› (2)"]
    assert len(set(shown.values())) == 4


def test_only_the_most_common_values_are_shown_by_themselves() -> None:
    reference = pd.Series([f"v{i:03d}" for i in range(100)] * 2, dtype=object)
    current = pd.Series(["v099"] * 5 + ["<new>", None], dtype=object)
    before, after = plain_values([reference, current])

    assert set(before.unique()) - {REST} == {"v099", *(f"v{i:03d}" for i in range(MOST_VALUES - 1))}
    assert after.tolist()[:6] == ["v099"] * 5 + [REST]
    assert after.isna().tolist() == [False] * 6 + [True]


def test_values_of_another_schema_are_read_as_far_as_they_go() -> None:
    words = type_column(pd.Series([1, "a", None, "\ud800"], dtype=object), "word", SCHEMA)
    sizes = type_column(pd.Series([1, "a", None, True], dtype=object), "size", SCHEMA)

    assert words.tolist()[:2] == ["1", "a"]
    assert words.tolist()[3] == "\\ud800"
    assert words.isna().tolist() == [False, False, True, False]
    assert sizes.dtype == float
    assert sizes.isna().tolist() == [False, True, True, False]

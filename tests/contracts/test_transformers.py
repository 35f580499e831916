"""Our steps of a Pipeline: categories grouped, moments taken apart."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from contracts.moments import split_moment
from contracts.transformers import DATE_PARTS, OTHER, DateParts, RareGrouper


def test_rare_and_unseen_categories_become_one() -> None:
    texts = np.array([["a"]] * 5 + [["b"]] * 4 + [["c"]] * 9, dtype=object)
    grouper = RareGrouper(min_rows=5, max_categories=2).fit(texts)

    grouped = grouper.transform(np.array([["a"], ["b"], ["c"], ["never seen"], [""]], dtype=object))

    assert grouped[:, 0].tolist() == ["a", OTHER, "c", OTHER, OTHER]


def test_only_the_most_frequent_categories_are_kept() -> None:
    texts = np.array([[name] for name in "aaabbbbcc"], dtype=object)

    assert RareGrouper(min_rows=1, max_categories=2).fit(texts).kept_ == [["a", "b"]]


@given(some.datetimes(timezones=some.just(UTC)))
def test_date_parts_are_those_of_the_calendar(moment: datetime) -> None:
    pair = np.array([split_moment(moment)], dtype=np.float32)
    parts = dict(zip(DATE_PARTS, DateParts().fit(pair).transform(pair)[0].tolist(), strict=True))

    expected = (moment.year, moment.month, moment.day, moment.weekday(), moment.hour)
    assert tuple(parts[name] for name in DATE_PARTS[:5]) == expected
    day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=parts["day"])
    assert day.date() == moment.date()


def test_a_missing_moment_has_no_parts() -> None:
    pairs = np.array([[np.nan, np.nan]], dtype=np.float32)

    assert np.isnan(DateParts().fit(pairs).transform(pairs)).all()

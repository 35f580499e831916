"""Windows hold what they say, outcomes are the latest ones, samples are stable and unbiased."""

from datetime import timedelta

import pandas as pd
import pytest

from contracts.schema import EVENT_TIME, OUTCOME
from monitoring.sampling import count_rows
from monitoring.snapshot import NoOutcomesError, write_snapshot
from monitoring.windows import find_start, read_labelled, read_rows, read_scores
from tests.monitoring.conftest import FEBRUARY, World

END = FEBRUARY + timedelta(days=28)


def test_window_is_half_open(world: World, february: pd.DataFrame) -> None:
    world.answer(february)
    middle = february.event_time[1000].to_pydatetime()
    with world.engine.connect() as connection:
        parts = [count_rows(connection, *w) for w in ((FEBRUARY, middle), (middle, END))]

    assert parts[0] == (february.event_time < middle).sum()
    assert sum(parts) == len(february)


def test_a_window_of_so_many_rows_begins_at_the_first_of_them(
    world: World, february: pd.DataFrame
) -> None:
    world.answer(february)
    with world.engine.connect() as connection:
        by_time = find_start(connection, END, 7)
        by_rows = find_start(connection, END, 28, 500)
        too_few = find_start(connection, END, 28, 10**6)
        rows = count_rows(connection, by_rows, END)

    assert by_time == END - timedelta(days=7)
    assert too_few == FEBRUARY
    assert by_rows == february.event_time.iloc[-500]
    assert 500 <= rows < 520  # flights of the same minute belong together


def test_rows_come_back_as_they_were_asked(world: World, february: pd.DataFrame) -> None:
    world.answer(february.head(300))
    with world.engine.connect() as connection:
        rows = read_rows(connection, world.bundle.schema, FEBRUARY, END, 1000)

    names = world.bundle.schema.names
    expected = february.head(300)[names].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        rows.sort_values(EVENT_TIME, kind="stable")[names].reset_index(drop=True),
        expected, check_dtype=False,
    )  # fmt: skip


def test_large_window_is_sampled_the_same_way_twice(world: World, february: pd.DataFrame) -> None:
    world.answer(february)
    with world.engine.connect() as connection:
        first, second = (
            read_rows(connection, world.bundle.schema, FEBRUARY, END, 1000) for _ in range(2)
        )

    assert 850 < len(first) < 1150
    pd.testing.assert_frame_equal(first, second)


def test_empty_window_is_an_empty_frame(world: World) -> None:
    with world.engine.connect() as connection:
        assert len(read_rows(connection, world.bundle.schema, FEBRUARY, END, 1000)) == 0
        assert (
            len(
                read_scores(
                    connection, world.bundle.schema, FEBRUARY, END, [world.bundle.version], 1000
                )
            )
            == 0
        )


def test_latest_correction_wins(world: World, february: pd.DataFrame) -> None:
    ids = world.answer(february.head(50).assign(late=0.0))
    world.correct(ids[7], 1)
    with world.engine.connect() as connection:
        labelled = read_labelled(connection, END)
        scores = read_scores(
            connection, world.bundle.schema, FEBRUARY, END, [world.bundle.version], 1000
        )

    assert labelled[OUTCOME].sum() == scores[OUTCOME].sum() == 1
    assert len(labelled) == 50


def test_scores_of_other_versions_are_left_out(world: World, february: pd.DataFrame) -> None:
    world.answer(february.head(50))
    with world.engine.connect() as connection:
        assert read_scores(connection, world.bundle.schema, FEBRUARY, END, ["another"], 1000).empty


def test_same_outcomes_give_the_same_snapshot(
    world: World, february: pd.DataFrame, tmp_path: object
) -> None:
    world.answer(february)
    with world.engine.connect() as connection:
        paths = [
            write_snapshot(connection, world.bundle.schema, END, world.reports / name)
            for name in ("a", "b")
        ]

    assert paths[0].name == paths[1].name
    snapshot = pd.read_parquet(paths[0])
    assert len(snapshot) == february.late.notna().sum()
    assert set(snapshot) == {*world.bundle.schema.names, "late", "event_time"}


def test_snapshot_stops_at_its_time(world: World, february: pd.DataFrame) -> None:
    world.answer(february)
    middle = february.event_time[1000].to_pydatetime()
    with world.engine.connect() as connection:
        path = write_snapshot(connection, world.bundle.schema, middle, world.reports)

    assert pd.read_parquet(path).event_time.max() < middle


def test_snapshot_of_nothing_is_refused(world: World, february: pd.DataFrame) -> None:
    world.answer(february.head(10), with_outcomes=False)
    with world.engine.connect() as connection, pytest.raises(NoOutcomesError, match="no predict"):
        write_snapshot(connection, world.bundle.schema, END, world.reports)

"""Samples are uniform, stable and nested; what is counted in them is near the truth."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, select, text

from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.tables import SAMPLES, is_sampled, outcomes, predictions
from monitoring.sampling import count_labelled, count_rows, newest_outcome, sampled, within
from tests.postgresql import temporary_postgresql

START = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = 12_000
END = START + timedelta(seconds=ROWS)
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=DATABASES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A row a second, every third with an outcome, every ninth with a correction."""
    if request.param == "sqlite":
        made = make_engine(f"sqlite:///{tmp_path_factory.mktemp('sample') / 'perennial.db'}")
        fill(made)
        yield made
        made.dispose()
        return
    with temporary_postgresql() as url:
        made = make_engine(url)
        fill(made)
        yield made
        made.dispose()


def fill(engine: Engine) -> None:
    migrate(engine)
    times = [START + timedelta(seconds=i) for i in range(ROWS)]
    bits = random.Random(7).getrandbits  # the same samples in every run
    rows = [{"prediction_id": str(UUID(int=bits(128))), "predicted_at": at, "event_time": at,
             "model_version": "v", "features": "{}", "prediction": "1", "probability": 0.5}
            for at in times]  # fmt: skip
    known = [{"prediction_id": row["prediction_id"], "outcome": json.dumps(0), "observed_at": END,
              "recorded_at": END} for row in rows[::3]]  # fmt: skip
    corrected = [{**outcome, "outcome": json.dumps(1)} for outcome in known[::3]]
    with write_transaction(engine) as connection:
        connection.execute(insert(predictions), rows)
        connection.execute(insert(outcomes), [*known, *corrected])


def ids(engine: Engine, share: float) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(predictions.c.prediction_id).where(sampled(share)))
                   .scalars())  # fmt: skip


@pytest.mark.parametrize("share", [0.9, 0.3, 1 / 8, 0.1, 1 / 64])
def test_a_sample_is_about_its_share(engine: Engine, share: float) -> None:
    off = (ROWS * share * (1 - share)) ** 0.5
    assert abs(len(ids(engine, share)) - ROWS * share) < 5 * off


def test_the_smaller_sample_is_part_of_the_larger(engine: Engine) -> None:
    samples = [ids(engine, share) for share in (1.0, 0.5, 0.125, 0.1, 0.01, 0.0)]

    assert all(small < large for large, small in zip(samples, samples[1:], strict=False))
    assert len(samples[0]) == ROWS
    assert not samples[-1]


def test_each_index_is_an_eighth_of_the_one_before(engine: Engine) -> None:
    with engine.connect() as connection:
        for every in SAMPLES:
            stored = select(predictions.c.prediction_id).where(text(is_sampled(every)))
            assert set(connection.execute(stored).scalars()) == ids(engine, 1 / every)


def test_few_rows_are_counted_one_by_one(engine: Engine) -> None:
    with engine.connect() as connection:
        assert count_rows(connection, START, END) == ROWS
        assert count_labelled(connection, START - timedelta(1), END) == (ROWS // 3, 1)


def test_many_rows_are_counted_about(engine: Engine) -> None:
    with engine.connect() as connection:
        rows = count_rows(connection, START, END, enough=1000)
        labelled, days = count_labelled(connection, START - timedelta(1), END, lookups=3000)

    assert rows == pytest.approx(ROWS, rel=0.12)
    assert (rows == ROWS) == (engine.dialect.name == "sqlite")
    assert labelled == pytest.approx(ROWS / 3, rel=0.15)
    assert days == 1


def test_few_outcomes_among_many_rows_are_all_found(engine: Engine) -> None:
    logged = ROWS // 3 + -(-ROWS // 9)
    with engine.connect() as connection:
        found = count_labelled(connection, START - timedelta(1), END, lookups=logged)

    assert found == (ROWS // 3, 1)


def test_the_newest_outcome_of_a_row_counts(engine: Engine) -> None:
    query = select(newest_outcome()).select_from(predictions)
    with engine.connect() as connection:
        found = Counter(connection.execute(query).scalars())

    corrected = -(-ROWS // 9)
    assert found == {None: ROWS - ROWS // 3, "1": corrected, "0": ROWS // 3 - corrected}


@pytest.mark.slow
def test_postgresql_reads_a_sample_from_its_index() -> None:
    with temporary_postgresql() as url:
        engine = make_engine(url)
        fill(engine)
        query = select(predictions.c.features).where(
            within(START, START + timedelta(hours=1)), sampled(0.01)
        )
        with engine.connect() as connection:
            connection.execute(text("ANALYZE"))
            connection.execute(text("SET enable_seqscan = off"))
            compiled = query.compile(engine, compile_kwargs={"literal_binds": True})
            plan = "\n".join(connection.execute(text(f"EXPLAIN {compiled}")).scalars())
        engine.dispose()

    assert "ix_predictions_sample_64" in plan

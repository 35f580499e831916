"""A shadow keeps up, or drops and counts; whatever it does, nobody waits."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import Connection, Engine, select

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import shadow_predictions
from service.answer.decoder import Decoded, Decoder
from service.ledger.groups import QueueFullError
from service.observe.metrics import Metrics
from service.versions.serving import Serving, load_serving
from service.versions.shadow import Shadow
from tests.bundles import EXAMPLE, make_schema
from tests.conftest import NOW

Task = Callable[[Connection], None]


@pytest.fixture
def serving(settings: Settings, registered: tuple[str, str]) -> Serving:
    return load_serving(settings.bundles_dir, registered[1], max_rows=1000)


def decoded_by(decoder: Decoder, rows: int, **features: Any) -> Decoded:
    return decoder.decode_rows([EXAMPLE | features] * rows)


def ids(name: str, rows: int) -> list[str]:
    return [f"{name} {number}" for number in range(rows)]


def counted(metrics: Metrics, series: str) -> float:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return float(next((line.split()[-1] for line in lines if line.startswith(f"{series} ")), 0))


def dropped(metrics: Metrics, reason: str) -> float:
    return counted(metrics, f'perennial_shadow_dropped_total{{reason="{reason}"}}')


def stored(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(shadow_predictions.c.prediction_id)).scalars())


def asked(
    engine: Engine, offers: Callable[[Shadow], None], *, refuse: bool = False, **limits: Any
) -> Metrics:
    """What a shadow counts of some offers, once it has ended."""
    metrics = Metrics()

    async def run(task: Task) -> None:
        if refuse:
            raise QueueFullError
        with write_transaction(engine) as connection:
            task(connection)

    async def session() -> None:
        shadow = Shadow(lambda task: asyncio.ensure_future(run(task)), metrics, lambda: NOW,
                        **limits)  # fmt: skip
        shadow.start()
        offers(shadow)
        await asyncio.to_thread(shadow.stop)

    asyncio.run(session())
    return metrics


def test_what_waits_at_the_end_is_asked_in_batches(engine: Engine, serving: Serving) -> None:
    def offers(shadow: Shadow) -> None:
        for number in range(40):
            rows = decoded_by(serving.decoder, 30)
            shadow.offer(serving, True, rows, ids(f"{number}", 30))

    metrics = asked(engine, offers)
    assert len(stored(engine)) == 1200
    assert counted(metrics, "perennial_shadow_rows_total") == 1200


def test_a_full_queue_drops_and_counts(engine: Engine, serving: Serving) -> None:
    def offers(shadow: Shadow) -> None:
        for number in range(10):
            shadow.offer(serving, True, decoded_by(serving.decoder, 30), ids(f"{number}", 30))

    metrics = asked(engine, offers, queue_rows=100, pause_seconds=60.0)
    assert len(stored(engine)) == 90
    assert dropped(metrics, "queue_full") == 210


def test_what_the_ledger_cannot_take_is_dropped(engine: Engine, serving: Serving) -> None:
    def offers(shadow: Shadow) -> None:
        shadow.offer(serving, True, decoded_by(serving.decoder, 7), ids("a", 7))

    assert dropped(asked(engine, offers, refuse=True), "ledger") == 7


def test_values_that_only_the_champion_takes_are_dropped(engine: Engine, serving: Serving) -> None:
    schema = make_schema()
    lenient = replace(schema.features[1], nullable=True)  # temp
    features = (schema.features[0], lenient, *schema.features[2:])
    champion = Decoder(replace(schema, features=features), 1000)

    def offers(shadow: Shadow) -> None:
        shadow.offer(serving, False, decoded_by(champion, 2, temp=None), ids("a", 2))
        shadow.offer(serving, False, decoded_by(champion, 3), ids("b", 3))

    assert dropped(asked(engine, offers), "refused") == 2
    assert stored(engine) == set(ids("b", 3))


def test_a_version_that_fails_does_not_end_the_thread(engine: Engine, serving: Serving) -> None:
    def offers(shadow: Shadow) -> None:
        wrong = Decoded([[1.0]], [["too", "many", "texts"]], ["{}"], None)
        shadow.offer(serving, True, wrong, ids("a", 1))
        other = replace(serving)
        shadow.offer(other, True, decoded_by(serving.decoder, 2), ids("b", 2))

    metrics = asked(engine, offers)
    assert dropped(metrics, "failed") == 1
    assert stored(engine) == set(ids("b", 2))


def test_a_row_says_what_the_version_answers(
    registered: tuple[str, str], engine: Engine, serving: Serving
) -> None:
    rows = decoded_by(serving.decoder, 1)
    asked(engine, lambda shadow: shadow.offer(serving, True, rows, ["one"]))
    with engine.connect() as connection:
        row = connection.execute(select(shadow_predictions)).one()
    answers = serving.predictor.answers(rows.numeric, rows.text)
    assert row.probability == pytest.approx(answers[0, 1])
    assert (row.model_version, row.predicted_at) == (registered[1], NOW)

"""The Python client, against the real service and against one that misbehaves."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import httpx
import pytest
from sqlalchemy import Engine, select

from client import (
    AsyncClient,
    Client,
    NoAnswerError,
    Outcome,
    Policy,
    Prediction,
    RefusedError,
    Wanted,
)
from client.messages import Reply
from client.retries import pause
from contracts.settings import Settings
from contracts.tables import predictions
from tests.bundles import EXAMPLE
from tests.service.servers import serving

ROWS = [EXAMPLE, list(EXAMPLE.values())]
GOOD = {"prediction": [1], "probability": [0.5], "prediction_id": ["an-id"], "model_version": "v"}
QUICK = Policy(deadline=0.5, first_pause=0.001, longest_pause=0.01)


@pytest.fixture
def service(
    closed_settings: Settings, champion: str, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """URL of a service that is closed to strangers; the environment has a key."""
    with serving(closed_settings) as port:
        monkeypatch.setenv("PERENNIAL_URL", f"http://127.0.0.1:{port}/")
        monkeypatch.setenv("PERENNIAL_API_KEY", keys["all"])
        yield f"http://127.0.0.1:{port}"


def test_it_predicts_and_sends_outcomes(service: str, champion: str, engine: Engine) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with Client() as client:
        first, second = client.predict(ROWS, moment)
        (result, unknown) = client.send_outcomes(
            [Outcome(first.prediction_id, 1, moment), Outcome("nobody's", 0)]
        )
    assert isinstance(first.probability, float)
    assert (first.probability, first.model_version) == (second.probability, champion)
    assert (result.status, unknown.status) == ("recorded", "unknown")
    with engine.connect() as connection:
        rows = list(connection.execute(select(predictions)))
    assert {row.prediction_id for row in rows} == {first.prediction_id, second.prediction_id}
    assert {row.event_time for row in rows} == {moment}


def test_many_calls_at_once_are_answered_each(service: str, engine: Engine) -> None:
    async def ask() -> list[Prediction]:
        async with AsyncClient(connections=8) as client:
            found = await asyncio.gather(*(client.predict_one(EXAMPLE) for _ in range(50)))
            results = await client.send_outcomes(Outcome(one.prediction_id, 1) for one in found)
            assert {one.status for one in results} == {"recorded"}
            return found

    answered = asyncio.run(ask())

    with engine.connect() as connection:
        logged = set(connection.execute(select(predictions.c.prediction_id)).scalars())
    assert {one.prediction_id for one in answered} == logged


def test_it_asks_which_labels_are_wanted(service: str) -> None:
    async def ask() -> list[Wanted]:
        async with AsyncClient() as client:
            return await client.wanted_outcomes(older_than_hours=1)

    moment = datetime.now(UTC) - timedelta(hours=2)
    with Client() as client:
        prediction = client.predict_one(EXAMPLE, moment)
        (wanted,) = client.wanted_outcomes(limit=5, older_than_hours=1)
        assert client.wanted_outcomes() == []  # after a day
        with pytest.raises(RefusedError, match="limit"):
            client.wanted_outcomes(limit=0)
    assert (wanted.prediction_id, wanted.event_time) == (prediction.prediction_id, moment)
    assert wanted.features == EXAMPLE
    assert asyncio.run(ask()) == [wanted]


def test_one_key_is_one_prediction_however_often_it_is_sent(service: str) -> None:
    with Client() as client:
        first = client.predict([EXAMPLE], idempotency_key="mine")
        assert client.predict([EXAMPLE], idempotency_key="mine") == first


def test_a_refusal_says_what_the_service_says(service: str) -> None:
    with Client() as client, pytest.raises(RefusedError, match=r"row 0, temp: is missing") as error:
        client.predict_one({"hour": 3})
    assert error.value.status == 422
    with Client(service, "a wrong key") as client, pytest.raises(RefusedError, match="valid key"):
        client.predict_one(EXAMPLE)


def scripted(*answers: httpx.Response | Exception) -> tuple[httpx.Client, list[httpx.Request]]:
    """A service that gives these answers in turn, and what it was asked."""
    asked: list[httpx.Request] = []
    waiting = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = next(waiting)
        if isinstance(given, Exception):
            raise given
        return given

    return httpx.Client(transport=httpx.MockTransport(answer)), asked


def busy(status: int = 503, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"detail": "busy"}, headers=headers)


def test_it_insists_with_one_key_until_it_is_answered() -> None:
    gone = httpx.ConnectError("gone")
    http, asked = scripted(
        gone, busy(), busy(409), busy(429), busy(408), httpx.Response(200, json=GOOD)
    )
    waited: list[float] = []

    answer = Client("http://a", http=http, policy=QUICK, sleep=waited.append).predict([[1]])

    assert answer == [Prediction(1, 0.5, None, "an-id", "v")]
    assert len({one.headers["idempotency-key"] for one in asked}) == 1
    assert len({one.content for one in asked}) == 1
    assert len(waited) == 5
    assert all(0 <= seconds <= QUICK.longest_pause for seconds in waited)


def test_it_comes_back_when_it_is_told_to() -> None:
    http, _ = scripted(busy(429, **{"Retry-After": "7"}), httpx.Response(200, json=GOOD))
    waited: list[float] = []
    Client("http://a", http=http, sleep=waited.append).predict([[1]])
    assert 7 <= waited[0] < 7.1


@pytest.mark.parametrize("answer", [busy, lambda: httpx.ReadTimeout("slow")])
def test_it_gives_up_at_its_deadline(answer: Callable[[], httpx.Response | Exception]) -> None:
    http, asked = scripted(*(answer() for _ in range(10_000)))
    client = Client("http://a", http=http, policy=Policy(deadline=0.05, first_pause=0.01))
    with pytest.raises(NoAnswerError, match="within 0.05 s") as error:
        client.predict([[1]])
    assert error.value.idempotency_key == asked[0].headers["idempotency-key"]


def test_refusals_are_not_repeated() -> None:
    for status in (400, 401, 403, 413, 422):
        http, asked = scripted(busy(status))
        with pytest.raises(RefusedError):
            Client("http://a", http=http).predict([[1]])
        assert len(asked) == 1


def test_pauses_grow_and_are_the_same_for_the_same_seed() -> None:
    policy = Policy(first_pause=0.1, longest_pause=3.0)
    made = [[pause(policy, i, None, Random(i)) for i in range(200)] for _ in range(2)]
    assert made[0] == made[1]
    for attempt in range(200):
        assert max(pause(policy, attempt, None, Random(i)) for i in range(9)) <= min(
            3.0, 0.1 * 2 ** min(attempt, 30)
        )
    assert pause(policy, 0, Reply(503, b"", "Wed, 21 Oct 2026 07:28:00 GMT"), Random(0)) <= 0.1


def test_what_is_not_json_is_refused_before_it_is_sent() -> None:
    http, asked = scripted()
    with pytest.raises(ValueError, match="not JSON compliant"):
        Client("http://a", http=http).predict([[float("nan")]])
    assert not asked


def test_results_of_every_task_are_typed() -> None:
    many = {**GOOD, "probability": [[0.25, 0.75]]}
    value = {
        "prediction": [1.5],
        "interval": [[1, 2]],
        "prediction_id": ["i"],
        "model_version": "v",
    }
    http, asked = scripted(httpx.Response(200, json=many), httpx.Response(200, json=value))
    client = Client("http://a/", http=http)
    assert client.predict_one([1]).probability == (0.25, 0.75)
    assert client.predict_one([1]).interval == (1, 2)
    assert json.loads(asked[0].content) == {"instances": [[1]]}
    assert str(asked[0].url) == "http://a/predict"

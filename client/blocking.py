"""The client for ordinary code: each call blocks until it is answered."""

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import count
from random import Random
from types import TracebackType
from typing import Self

import httpx

from client.address import find_service
from client.errors import NoAnswerError
from client.messages import (
    OUTCOME_BATCH,
    Call,
    Outcome,
    Prediction,
    Recorded,
    Reply,
    Row,
    Wanted,
    outcomes_call,
    predict_call,
    problem_of,
    read_predictions,
    read_recorded,
    read_wanted,
    wanted_call,
)
from client.retries import RETRIED, Policy, pause


class Client:
    """Asks one service; threads may share it.

    Args:
        url: PERENNIAL_URL if None, and then the local service.
        api_key: PERENNIAL_API_KEY if None, and then none.
        http: instead of a connection pool of its own, as tests want; it stays open.
        random: makes the jitter of pauses.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        policy: Policy | None = None,
        http: httpx.Client | None = None,
        random: Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url, self._headers = find_service(url, api_key)
        self._policy = policy or Policy()
        self._http = httpx.Client() if http is None else http
        self._is_own = http is None
        self._random = random or Random()  # noqa: S311  # jitter is no secret
        self._sleep = sleep

    def predict(
        self,
        rows: Sequence[Row],
        event_time: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> list[Prediction]:
        """Answers to rows, in order; each is in the service's ledger.

        Args:
            event_time: when the question arose, with a time zone; None = now.
            idempotency_key: of an earlier, unanswered call with the same rows.

        Raises:
            RefusedError, NoAnswerError: see client/errors.py.
        """
        key = idempotency_key or str(uuid.uuid4())
        return read_predictions(self._send(predict_call(rows, event_time, key)))

    def predict_one(self, row: Row, event_time: datetime | None = None) -> Prediction:
        """The answer to one row; raises as predict."""
        (prediction,) = self.predict([row], event_time)
        return prediction

    def send_outcomes(self, outcomes: Iterable[Outcome]) -> list[Recorded]:
        """Send what became true, in batches; repeating is harmless. Raises as predict."""
        given = list(outcomes)
        found: list[Recorded] = []
        for start in range(0, len(given), OUTCOME_BATCH):
            call = outcomes_call(given[start : start + OUTCOME_BATCH], str(uuid.uuid4()))
            found += read_recorded(self._send(call))
        return found

    def wanted_outcomes(
        self, limit: int = 100, older_than_hours: float = 24, newer_than_days: float = 28
    ) -> list[Wanted]:
        """Predictions without an outcome whose true labels would help most, most of all first.

        Args:
            older_than_hours: so that what became true can be known.

        Raises as predict.
        """
        return read_wanted(self._send(wanted_call(limit, older_than_hours, newer_than_days)))

    def _send(self, call: Call) -> Reply:
        end = time.monotonic() + self._policy.deadline
        for attempt in count():
            reply, problem = self._attempt(call, end - time.monotonic())
            if reply is not None and reply.status not in RETRIED:
                return reply
            seconds = pause(self._policy, attempt, reply, self._random)
            if time.monotonic() + seconds >= end:
                break
            self._sleep(seconds)
        key = call.headers.get("Idempotency-Key", "")
        raise NoAnswerError(self._policy.deadline, problem, key)

    def _attempt(self, call: Call, left: float) -> tuple[Reply | None, str]:
        try:
            got = self._http.request(
                call.method,
                self._url + call.path,
                content=call.body,
                headers={**self._headers, **call.headers},
                timeout=max(min(left, self._policy.attempt), 0.001),
            )
        except httpx.TransportError as error:
            return None, repr(error)
        reply = Reply(got.status_code, got.content, got.headers.get("retry-after"))
        return reply, f"{reply.status} {problem_of(reply)}" if reply.status in RETRIED else ""

    def close(self) -> None:
        """Close the connections, if they are its own."""
        if self._is_own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

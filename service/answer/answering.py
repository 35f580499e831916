"""From a request's rows to a durable answer: what every protocol calls; knows no HTTP."""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar

from msgspec.structs import replace
from uuid_utils import uuid7

from service.access.caller import Caller
from service.access.limits import Limits
from service.answer.decoder import Decoded
from service.ledger.answers import Answer
from service.ledger.groups import Done
from service.ledger.idempotency import Claim
from service.ledger.ledger import Ledger
from service.versions.champion import ChampionWatcher
from service.versions.routing import Lineup, drawn, reread
from service.versions.serving import Serving
from service.versions.shadow import Shadow

# Decoding more than this would hold up every other request, so it goes to a thread.
SMALL_BODY = 50_000
SMALL_ROWS = 200
# At the same time: more take memory, and no less time, for they share the interpreter.
LARGE_AT_ONCE = 2
T = TypeVar("T")


class VersionNotServedError(LookupError):
    """A request names a version that does not answer now."""

    def __init__(self, asked: str, serving: str) -> None:
        super().__init__(f"version {asked!r} does not answer; {serving!r} does")


class Question(NamedTuple):
    """Who asks, and the key under which a repeated request gets its first answer.

    `version`: the only one that may answer; None = whichever is chosen.
    """

    caller: Caller
    idempotency_key: str | None = None
    version: str | None = None


class Answering:
    """Decodes, routes to a version, spends the caller's limits, and asks the ledger."""

    def __init__(
        self, watcher: ChampionWatcher, ledger: Ledger, limits: Limits, shadow: Shadow
    ) -> None:
        self._watcher = watcher
        self._ledger = ledger
        self._limits = limits
        self._shadow = shadow
        self._large = ThreadPoolExecutor(LARGE_AT_ONCE, "decode")

    async def answer(self, body: bytes, question: Question) -> Answer:
        """Answer the body of POST /predict.

        Raises:
            NoChampionError, InvalidRequestError, NotFiniteError, QueueFullError, KeyReusedError,
            KeyInProgressError, LimitReachedError, LedgerUnavailableError: see border/errors.py.
        """
        claim = None
        if question.idempotency_key is not None:
            claim = _claim(question, hashlib.sha256(body).hexdigest())
            if (first := self._ledger.recall(claim)) is not None:
                return first
        lineup = self._watcher.require_lineup()
        decoder = lineup.champion.decoder
        if len(body) <= SMALL_BODY:
            decoded = decoder.decode(body)
        else:
            decoded = await self._aside(_decode_large, lineup, body)
        return await self._ask(lineup, decoded, question.caller, claim)

    def answer_usual(self, body: bytes, caller: Caller, done: Done) -> bool:
        """As `answer`, for what has to wait for nothing but the ledger; `done` gets the answer.

        False = nothing was done: `answer` can, or says what is wrong.

        Raises:
            NoChampionError, InvalidRequestError, QueueFullError: `done` is not called.
        """
        lineup = self._watcher.require_lineup()
        if caller.rate is not None or caller.quota is not None:
            return False
        if lineup.rule is not None and not lineup.alike and not lineup.is_shadowed:
            return False  # the other version may have to read the rows again
        decoded = lineup.champion.decoder.decode_usual(body)
        if decoded is None:
            return False
        if lineup.rule is None:
            self._ledger.predict_then(done, lineup.champion.predictor, decoded)
        else:
            self._answer_by_rule(lineup, decoded.with_first_id(str(uuid7())), done)
        return True

    def _answer_by_rule(self, lineup: Lineup, decoded: Decoded, done: Done) -> None:
        other = drawn(lineup, decoded)
        if other is None:
            self._ledger.predict_then(done, lineup.champion.predictor, decoded)
        elif lineup.is_shadowed:
            done = partial(self._done_and_shadowed, done, lineup, other, decoded)
            self._ledger.predict_then(done, lineup.champion.predictor, decoded)
        else:
            self._ledger.predict_then(done, other.predictor, decoded)

    def _done_and_shadowed(
        self,
        done: Done,
        lineup: Lineup,
        other: Serving,
        decoded: Decoded,
        answer: Answer | Exception,
    ) -> None:
        done(answer)
        if isinstance(answer, Answer):
            self._shadow.offer(other, lineup.alike, decoded, answer.prediction_id)

    async def answer_rows(
        self,
        rows: list[object],
        question: Question,
        digest: str | None = None,
        event_time: datetime | None = None,
    ) -> Answer:
        """Answer rows that another protocol's adapter has found.

        Args:
            digest: SHA-256 of what the caller sent, where the question has an idempotency key.

        Raises:
            VersionNotServedError: `question.version` does not answer.
            Others: as `answer`.
        """
        claim = None
        if question.idempotency_key is not None and digest is not None:
            claim = _claim(question, digest)
            if (first := self._ledger.recall(claim)) is not None:
                return first
        lineup = lineup_for(question.version, self._watcher.require_lineup())
        decoder = lineup.champion.decoder
        if len(rows) <= SMALL_ROWS:
            decoded = decoder.decode_rows(rows, event_time)
        else:
            decoded = await self._aside(decoder.decode_rows, rows, event_time)
        return await self._ask(lineup, decoded, question.caller, claim)

    async def _ask(
        self, lineup: Lineup, decoded: Decoded, caller: Caller, claim: Claim | None
    ) -> Answer:
        if caller.rate is not None or caller.quota is not None:
            await self._limits.spend(caller, len(decoded.features))
        if lineup.rule is not None:
            return await self._ask_by_rule(lineup, decoded, claim)
        return await self._ledger.predict(lineup.champion.predictor, decoded, claim)

    async def _ask_by_rule(self, lineup: Lineup, decoded: Decoded, claim: Claim | None) -> Answer:
        decoded = decoded.with_first_id(str(uuid7()))
        other = drawn(lineup, decoded)
        if other is None or lineup.is_shadowed:
            answer = await self._ledger.predict(lineup.champion.predictor, decoded, claim)
            if other is not None:
                self._shadow.offer(other, lineup.alike, decoded, answer.prediction_id)
            return answer
        if not lineup.alike:
            decoded = await asyncio.to_thread(reread, decoded, other.decoder)
        return await self._ledger.predict(other.predictor, decoded, claim)

    async def _aside(self, call: Callable[..., T], *given: object) -> T:
        """On a thread of its own; a trace goes on there."""
        run = partial(copy_context().run, call, *given)
        return await asyncio.get_running_loop().run_in_executor(self._large, run)


def _decode_large(lineup: Lineup, body: bytes) -> Decoded:
    """Decode, and where one model answers all, ask it: the ledger's thread then only writes."""
    decoded = lineup.champion.decoder.decode(body)
    if lineup.rule is not None or len(decoded.features) <= SMALL_ROWS:
        return decoded
    predictor = lineup.champion.predictor
    try:
        answers = predictor.answers(decoded.numeric, decoded.text)
    except Exception:  # the ledger asks again: there a version's failures are told and counted
        return decoded
    return replace(decoded, asked=predictor, answers=answers)


def lineup_for(version: str | None, lineup: Lineup) -> Lineup:
    """The line-up, or the version alone that a question names.

    Raises:
        VersionNotServedError: it does not answer.
    """
    if version is None or (lineup.is_shadowed and version == lineup.champion.version):
        return lineup
    other = None if lineup.is_shadowed else lineup.other
    for one in (lineup.champion, other):
        if one is not None and one.version == version:
            return Lineup(one)
    raise VersionNotServedError(version, lineup.champion.version)


def _claim(question: Question, digest: str) -> Claim:
    return Claim(question.caller.key_id, question.idempotency_key or "", digest)

"""From a request's rows to a durable answer: what every protocol calls; knows no HTTP."""

import asyncio
import hashlib
from typing import NamedTuple

from uuid_utils import uuid7

from service.answers import Answer
from service.caller import Caller
from service.champion import ChampionWatcher
from service.decoder import Decoded
from service.idempotency import Claim
from service.ledger import Ledger
from service.routing import Lineup, drawn, reread
from service.shadow import Shadow

# Decoding more than this would hold up every other request, so it goes to a thread.
SMALL_BODY = 50_000


class Question(NamedTuple):
    """Who asks, and the key under which a repeated request gets its first answer."""

    caller: Caller
    idempotency_key: str | None = None


class Answering:
    """Decodes, routes to a version, and asks the ledger."""

    def __init__(self, watcher: ChampionWatcher, ledger: Ledger, shadow: Shadow) -> None:
        self._watcher = watcher
        self._ledger = ledger
        self._shadow = shadow

    async def answer(self, body: bytes, question: Question) -> Answer:
        """Answer the body of POST /predict.

        Raises:
            NoChampionError, InvalidRequestError, NotFiniteError, QueueFullError, KeyReusedError,
            KeyInProgressError, LedgerUnavailableError: see service/errors.py.
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
            decoded = await asyncio.to_thread(decoder.decode, body)
        return await self._ask(lineup, decoded, claim)

    async def answer_rows(
        self, rows: list[object], question: Question, digest: str | None = None
    ) -> Answer:
        """Answer rows that another protocol's adapter has found; raises as `answer`.

        Args:
            digest: SHA-256 of what the caller sent, where the question has an idempotency key.
        """
        claim = None
        if question.idempotency_key is not None and digest is not None:
            claim = _claim(question, digest)
            if (first := self._ledger.recall(claim)) is not None:
                return first
        lineup = self._watcher.require_lineup()
        decoded = await asyncio.to_thread(lineup.champion.decoder.decode_rows, rows)
        return await self._ask(lineup, decoded, claim)

    async def _ask(self, lineup: Lineup, decoded: Decoded, claim: Claim | None) -> Answer:
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


def _claim(question: Question, digest: str) -> Claim:
    return Claim(question.caller.key_id, question.idempotency_key or "", digest)

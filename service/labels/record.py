"""Records outcomes that were checked: the one way, whoever sends them."""

from collections.abc import Sequence

from service.access.caller import Caller
from service.ledger.outcomes import Outcome, Result, can_exist
from service.parts import Parts
from service.queries import NotYetReadableError


async def record_labels(parts: Parts, caller: Caller, given: Sequence[Outcome]) -> list[Result]:
    """What became of each, in order.

    Raises:
        LimitReachedError: the caller has sent too many.
        NotYetReadableError: a prediction that nobody knows may still wait in the spool. What was
            recorded stays; repeating it changes nothing.
    """
    await parts.limits.spend(caller, len(given), "outcomes")
    waiting = parts.ledger.may_hold_unknown()  # asked first: it may be replayed meanwhile
    results = await parts.ledger.record(given)
    for result in results:
        parts.metrics.outcomes.labels(result.status).inc()
    if waiting and any(map(_may_become_known, results)):
        raise NotYetReadableError
    return results


def _may_become_known(result: Result) -> bool:
    return result.status == "unknown" and can_exist(result.prediction_id)

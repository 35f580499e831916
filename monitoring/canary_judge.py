"""Whether a canary is promoted, ended or goes on. Pure: what was seen, and for how long.

Its losses are looked at again and again, and whoever looks often enough sees harm by chance. So
before its last hour it must stand out by more, the earlier the more: the bound of O'Brien and
Fleming (A multiple testing procedure for clinical trials, Biometrics 35, 1979).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from contracts.monitoring_params import Canary
from monitoring.canary_live import Live
from monitoring.side_by_side import Beside

Act = Literal["promote", "end", "wait"]

# Requests that a canary should have had, before it means anything that it had none.
LEAST_REQUESTS = 20
# Standard errors that its requests must lack, looked at every few minutes.
LACK_STANDS_OUT = 4.0
LEAST_BLOCKS = 6  # with outcomes, before a loss can end it
MOST_UNLIKE = 0.01  # of its answers


@dataclass(frozen=True)
class Seen:
    """All that is known of a canary.

    Attributes:
        hours: that it runs.
        losses: of the champion and of the canary, on all rows that have a mature outcome.
        against: what else speaks against it, one sentence each.
    """

    hours: float
    live: Live
    losses: Beside
    against: tuple[str, ...] = ()


@dataclass(frozen=True)
class Word:
    """What is to be done, and why."""

    act: Act
    reason: str


def decide(seen: Seen, share: float, params: Canary) -> Word:
    """End what fails or harms, promote what did neither for long enough, else wait.

    Args:
        share: of requests that the canary was given.
    """
    against = [*_failing(seen.live, share, params), *_harming(seen, params), *seen.against]
    if against:
        return Word("end", "; ".join(against))
    told = describe_losses(seen.losses)
    if seen.hours >= params.most_hours:
        return _at_last(seen, told, params)
    wanting = "; ".join(_wanting(seen, params))
    if wanting:
        return Word("wait", f"{told}; {wanting}")
    return Word("promote", f"as a canary it answered {seen.live.rows} rows without fault; {told}")


def describe_losses(losses: Beside) -> str:
    """What outcomes say, in words."""
    if not losses.rows:
        return "no mature outcome has come yet"
    verb = "costs" if losses.added > 0 else "saves"
    t = "" if losses.t is None else f", t = {losses.t:.2f}"
    return (
        f"it {verb} {abs(losses.added):.4f} loss a row beside the champion ({abs(losses.cost):.2%} "
        f"of its loss) on {losses.rows} rows of {losses.blocks} hours{t}"
    )


def describe_live(live: Live) -> str:
    """What live requests say, in words."""
    return (
        f"it has answered {live.rows} rows, and {live.answered} of {live.own} requests (or "
        f"entities) that were drawn for it, beside {live.champions} for the champion; "
        f"{live.unlike} of {live.compared} answers are not what its bundle gives"
    )


def _failing(live: Live, share: float, params: Canary) -> Iterator[str]:
    due = live.champions * share / (1 - share)
    if live.rows == 0 and due >= LEAST_REQUESTS:
        yield (
            f"it has answered nothing, where about {due:.0f} requests were its share: no worker "
            "can load it (/health/ready says why), or it refuses every one"
        )
        return
    error = sqrt((live.champions + live.own) * share * (1 - share)) / (1 - share)
    lack = due - live.own
    if lack > LACK_STANDS_OUT * error and lack > params.max_refused * due:
        yield (
            f"{lack:.0f} of about {due:.0f} requests that were its share have left no row: it "
            "refused them, or failed"
        )
    if live.unlike > max(1, MOST_UNLIKE * live.compared):
        yield (
            f"{live.unlike} of {live.compared} answers are not what its bundle gives for the same "
            "rows: what is served is not what was judged"
        )


def _harming(seen: Seen, params: Canary) -> Iterator[str]:
    losses = seen.losses
    if losses.t is None or losses.blocks < LEAST_BLOCKS or losses.cost <= params.max_cost:
        return
    bound = params.max_t / sqrt(min(1.0, max(seen.hours, 1.0) / params.most_hours))
    if losses.t > bound:
        yield f"{describe_losses(losses)}, beyond {bound:.2f} after {seen.hours:.0f} hours"


def _wanting(seen: Seen, params: Canary) -> Iterator[str]:
    """What is wanting to promote it."""
    if seen.hours < params.hours:
        yield f"{seen.hours:.1f} of {params.hours} hours are over"
    if seen.live.rows < params.min_rows:
        yield f"it has answered {seen.live.rows} rows, {params.min_rows} are asked for"
    if seen.losses.rows < params.min_rows:
        yield f"{seen.losses.rows} mature outcomes are known, {params.min_rows} are asked for"
    if seen.losses.cost > params.max_cost:
        yield f"that is more than {params.max_cost:.2%}, and may be chance"


def _at_last(seen: Seen, told: str, params: Canary) -> Word:
    """The decision that most_hours asks for."""
    over = f"its {params.most_hours} hours are over"
    if seen.live.rows == 0:
        return Word("end", f"{over}, and it has answered nothing")
    if seen.losses.cost > params.max_cost:
        return Word("end", f"{over}; {told}, more than {params.max_cost:.2%}")
    return Word("promote", f"{over}, it answered {seen.live.rows} rows without fault; {told}")

"""When a call is sent again: exponential back-off with full jitter, within a deadline; pure."""

from dataclasses import dataclass
from random import Random

from client.messages import Reply

# Too slow, the first attempt is in progress, too many, and what is over soon.
RETRIED = frozenset({408, 409, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Policy:
    """How long to insist, in seconds."""

    deadline: float = 30.0  # of a whole call
    attempt: float = 10.0  # of each attempt
    first_pause: float = 0.05  # at most; doubles with every attempt
    longest_pause: float = 5.0


def pause(policy: Policy, attempt: int, reply: Reply | None, random: Random) -> float:
    """Seconds until the next attempt.

    Args:
        attempt: of the one that failed, from 0.
        reply: it got; None = none. Its Retry-After in seconds is the least; a date is not read.
    """
    longest = min(policy.longest_pause, policy.first_pause * 2 ** min(attempt, 30))
    return _retry_after(reply) + random.uniform(0, longest)


def _retry_after(reply: Reply | None) -> float:
    given = reply.retry_after if reply is not None else None
    return float(given) if given and given.isascii() and given.isdigit() else 0.0

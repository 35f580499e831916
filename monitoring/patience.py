"""How long a step may wait for somebody else: until its deadline, or until it is told to end."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

POLL_SECONDS = 0.1


class PatienceLostError(RuntimeError):
    """The deadline has passed, the process is to end, or its lease is gone; the message says."""


@dataclass(frozen=True)
class Patience:
    """A deadline on a clock that never jumps, and two events that end it before.

    Args:
        stop: the process is asked to end; `lost`: another has taken its lease.
    """

    deadline: float
    minutes: float
    stop: threading.Event
    lost: threading.Event
    monotonic: Callable[[], float] = time.monotonic

    def pause(self, seconds: float) -> None:
        """Wait so long.

        Raises:
            PatienceLostError: there is no more time.
        """
        end = self.monotonic() + seconds
        while True:
            if self.stop.is_set():
                raise PatienceLostError("stopped, because its process was asked to end")
            if self.lost.is_set():
                raise PatienceLostError("stopped, because another process has taken its lease")
            now = self.monotonic()
            if now >= self.deadline:
                raise PatienceLostError(f"took more than {self.minutes:g} minutes")
            if now >= end:
                return
            self.stop.wait(min(POLL_SECONDS, end - now))


def patience(minutes: float, stop: threading.Event, lost: threading.Event) -> Patience:
    """Patience for so many minutes from now."""
    return Patience(time.monotonic() + 60 * minutes, minutes, stop, lost)

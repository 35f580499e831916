"""Loading versions: each once, kept while in use, a damaged one tried ever more seldom."""

import time
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

T = TypeVar("T")

FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 5.0


class CannotLoadError(RuntimeError):
    """A version cannot answer; the message says why."""


class Loader(Generic[T]):
    """Remembers what is loaded and what cannot be.

    Args:
        load: from a version; may raise anything, as a damaged bundle may.
        monotonic: seconds.
    """

    def __init__(
        self, load: Callable[[str], T], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._monotonic = monotonic
        self._loaded: dict[str, T] = {}
        self._failed: dict[str, tuple[CannotLoadError, float, float]] = {}  # error, until, wait

    def get(self, version: str, *, at_once: bool = False) -> T:
        """The loaded version.

        Args:
            at_once: try again even if it has just failed.

        Raises:
            CannotLoadError: it failed, now or a moment ago.
        """
        if version in self._loaded:
            return self._loaded[version]
        wait = FIRST_WAIT_SECONDS
        if version in self._failed:
            error, until, wait = self._failed[version]
            if self._monotonic() < until and not at_once:
                raise error
        try:
            loaded = self._loaded[version] = self._load(version)
        except Exception as error:  # a damaged bundle may raise anything; others answer on
            failed = CannotLoadError(f"{type(error).__name__}: {error}")
            until = self._monotonic() + wait
            self._failed[version] = (failed, until, min(2 * wait, LONGEST_WAIT_SECONDS))
            raise failed from None
        self._failed.pop(version, None)
        return loaded

    def keep(self, versions: Collection[str | None]) -> None:
        """Forget all other versions, so that their memory is given back."""
        self._loaded = {name: one for name, one in self._loaded.items() if name in versions}
        self._failed = {name: one for name, one in self._failed.items() if name in versions}

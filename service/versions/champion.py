"""Who answers now: watches the registry and swaps versions without dropping a request."""

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread

from sqlalchemy import Engine

from contracts.registry import champion
from contracts.stages import champions
from contracts.traffic import Rule, current_traffic, difference
from service.observe.metrics import Metrics
from service.versions.loader import CannotLoadError, Loader
from service.versions.routing import Lineup, make_lineup
from service.versions.serving import Serving

log = logging.getLogger(__name__)


class NoChampionError(RuntimeError):
    """No version can answer yet."""

    def __init__(self, problem: str | None) -> None:
        super().__init__(problem or "no version has been promoted yet")


class ChampionWatcher:
    """Polls the registry on a thread. `lineup` is swapped by one assignment.

    Attributes:
        lineup: who answers; None before the first champion.
        problem: why `lineup` is not what the registry says; None = all is well.
        stand_in: whether an earlier champion answers because the registry's cannot.
        database_reachable: whether the last poll could read the registry.
        looked_at: when the last poll ended, in seconds of time.monotonic.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        load: Callable[[str], Serving],
        poll_seconds: float,
    ) -> None:
        self.lineup: Lineup | None = None
        self.problem: str | None = None
        self.stand_in = False
        self.database_reachable = False
        self.looked_at = time.monotonic()
        self._engine = engine
        self._metrics = metrics
        self._loader = Loader(load)
        self._poll_seconds = poll_seconds
        self._lock = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="champion", daemon=True)

    @property
    def serving(self) -> Serving | None:
        """The champion that answers."""
        lineup = self.lineup
        return None if lineup is None else lineup.champion

    def require(self) -> Serving:
        """The champion that answers.

        Raises:
            NoChampionError: nobody yet.
        """
        return self.require_lineup().champion

    def require_lineup(self) -> Lineup:
        """Who answers, and by which rule.

        Raises:
            NoChampionError: nobody yet.
        """
        lineup = self.lineup
        if lineup is None:
            raise NoChampionError(self.problem)
        return lineup

    def start(self) -> None:
        """Look once, then keep looking; blocks for the first look."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def look(self, *, at_once: bool = True) -> None:
        """Compare with the registry now and swap if needed; never raises.

        Args:
            at_once: also try a version that has just failed to load.
        """
        with self._lock:
            try:
                reigns, rule = self._read()
                self.database_reachable = True
            except Exception as error:  # whatever a driver raises: who answers now answers on
                self.database_reachable = False
                self._report(f"{type(error).__name__}: {error}")
                self.looked_at = time.monotonic()
                return
            if reigns and not self._is_settled(reigns[0], rule):
                self._line_up(reigns, rule, at_once)
            self.looked_at = time.monotonic()

    def _read(self) -> tuple[list[str], Rule | None]:
        """The champion, at start those before it too, and the rule that divides requests."""
        with self._engine.connect() as connection:
            if self.lineup is None:
                reigns = champions(connection)
            else:
                current = champion(connection)
                reigns = [current.version] if current else []
            traffic = current_traffic(connection)
        divided = traffic is not None and traffic.rule.mode != "champion"
        return reigns, traffic.rule if traffic is not None and divided else None

    def _is_settled(self, version: str, rule: Rule | None) -> bool:
        """Whether what answers is what the registry says; then nothing is wrong any more."""
        lineup = self.lineup
        if lineup is None or lineup.champion.version != version or lineup.rule != rule:
            return False
        self._report(None)
        return True

    def _line_up(self, reigns: list[str], rule: Rule | None, at_once: bool) -> None:
        problems: list[str] = []
        best = self._find_champion(reigns, problems, at_once)
        if best is None:
            self._loader.keep(reigns)
        else:
            other = self._find_other(best, rule, problems, at_once)
            self._swap(make_lineup(best, rule, other))
            self.stand_in = best.version != reigns[0]
            self._loader.keep({best.version, reigns[0], rule.version if rule else None})
        self._report("; ".join(problems) or None)

    def _find_champion(
        self, reigns: list[str], problems: list[str], at_once: bool
    ) -> Serving | None:
        """The registry's, else who answers now, else at start the newest before it that loads."""
        serving = self.serving
        for version in reigns if serving is None else reigns[:1]:
            try:
                return self._loader.get(version, at_once=at_once)
            except CannotLoadError as error:
                problems.append(str(error))
        return serving

    def _find_other(
        self, best: Serving, rule: Rule | None, problems: list[str], at_once: bool
    ) -> Serving | None:
        if rule is None or rule.version is None:
            return None
        try:
            other = self._loader.get(rule.version, at_once=at_once)
        except CannotLoadError as error:
            problems.append(f"the {rule.mode} version gets no requests: {error}")
            return None
        if (why := difference(best.schema, other.schema)) is not None:
            problems.append(f"the {rule.mode} version gets no requests: {why}")
            return None
        return other

    def _swap(self, lineup: Lineup) -> None:
        for one in (lineup.other, lineup.champion):
            if one is not None:
                self._metrics.know_version(one.version)
        before, self.lineup = self.lineup, lineup
        if before is None or before.champion is not lineup.champion:
            log.info("version %s answers from now on", lineup.champion.version)
        if before is None or before.rule != lineup.rule:
            log.info("requests are divided by %s", lineup.rule or "no rule")

    def _report(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            # Logged and counted once, not at every poll while it lasts.
            log.error("what the registry says cannot be served: %s", problem)
            self._metrics.errors.labels("champion").inc()
        self.problem = problem

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self.look(at_once=False)

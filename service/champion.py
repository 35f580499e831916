"""Who answers now: watches the registry and swaps predictors without dropping a request."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from contracts.bundle import BundleError, load_bundle
from contracts.registry import champion
from contracts.schema import FeatureSchema
from service.decoder import Decoder
from service.metrics import Metrics
from service.predictor import Predictor

log = logging.getLogger(__name__)


class NoChampionError(RuntimeError):
    """No version can answer yet."""

    def __init__(self, problem: str | None) -> None:
        super().__init__(problem or "no version has been promoted yet")


@dataclass(frozen=True)
class Serving:
    """One version, ready to answer. A request keeps the one that it began with."""

    decoder: Decoder
    predictor: Predictor

    @property
    def version(self) -> str:
        return self.predictor.version

    @property
    def schema(self) -> FeatureSchema:
        return self.predictor.schema


def load_serving(bundles: Path, version: str, max_rows: int) -> Serving:
    """Load, verify and warm a registered bundle.

    Raises:
        BundleError: it is not whole, or its own example does not predict.
    """
    bundle = load_bundle(bundles / version)
    if bundle.version != version:
        raise BundleError(f"{bundles / version} holds {bundle.version}")
    predictor = Predictor(bundle)
    decoder = Decoder(bundle.schema, max_rows)
    row = decoder.decode(msgspec.json.encode({"features": bundle.schema.example()}))
    predictor.read(predictor.answers(row.numeric, row.text))
    return Serving(decoder, predictor)


class ChampionWatcher:
    """Polls the registry on a thread. `serving` is swapped by one assignment.

    Attributes:
        serving: who answers; None before the first champion.
        problem: why `serving` is not the registry's champion; None = all is well.
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
        self.serving: Serving | None = None
        self.problem: str | None = None
        self.database_reachable = False
        self.looked_at = time.monotonic()
        self._engine = engine
        self._metrics = metrics
        self._load = load
        self._poll_seconds = poll_seconds
        self._lock = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="champion", daemon=True)

    def require(self) -> Serving:
        """Who answers.

        Raises:
            NoChampionError: nobody yet.
        """
        serving = self.serving
        if serving is None:
            raise NoChampionError(self.problem)
        return serving

    def start(self) -> None:
        """Look once, then keep looking; blocks for the first look."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Compare with the registry now and swap if needed; never raises."""
        with self._lock:
            try:
                self._look()
                self._report(None)
            except Exception as error:  # a damaged bundle may raise anything; the old answers on
                self._report(f"{type(error).__name__}: {error}")
            self.looked_at = time.monotonic()

    def _look(self) -> None:
        try:
            with self._engine.connect() as connection:
                newest = champion(connection)
            self.database_reachable = True
        except SQLAlchemyError:
            self.database_reachable = False
            raise
        if newest is None or (self.serving and self.serving.version == newest.version):
            return
        serving = self._load(newest.version)
        self.serving = serving
        self._metrics.know_version(serving.version)
        log.info("version %s answers from now on", serving.version)

    def _report(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            # Logged and counted once, not at every poll while it lasts.
            log.error("the champion cannot be served: %s", problem)
            self._metrics.errors.labels("champion").inc()
        self.problem = problem

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self.look()

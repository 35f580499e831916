"""What the service is right now, for /metrics: read from its parts at every scrape."""

import platform
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contracts.migrate import newest_revision
from service.access.access import Access
from service.versions.champion import ChampionWatcher


class State(Collector):
    """Gauges of the model, the registry and this build.

    Args:
        monotonic: seconds of a clock that never jumps, as the watcher's.
    """

    def __init__(
        self, watcher: ChampionWatcher, access: Access, monotonic: Callable[[], float]
    ) -> None:
        self._watcher = watcher
        self._access = access
        self._monotonic = monotonic

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' client asks for at every scrape."""
        watcher = self._watcher
        yield from self._of_model()
        yield _gauge("perennial_workers", "Workers that run", 1)
        yield _gauge(
            "perennial_champion_poll_age_seconds",
            "Since the registry was last asked who is champion",
            self._monotonic() - watcher.looked_at,
        )
        yield _gauge(
            "perennial_keys_age_seconds",
            "Since the keys were last read; those revoked meanwhile are still let in",
            self._access.keys_age_seconds,
        )
        yield _gauge(
            "perennial_champion_problem",
            "1 while what answers is not the registry's champion",
            float(watcher.problem is not None),
        )
        yield _gauge(
            "perennial_database_reachable",
            "1 if the last look at the registry could read it",
            float(watcher.database_reachable),
        )
        build = GaugeMetricFamily(
            "perennial_build_info",
            "1 for what this process is made of",
            labels=["python", "onnxruntime", "tables"],
        )
        made_of = (platform.python_version(), version("onnxruntime"), newest_revision())
        build.add_metric(made_of, 1)
        yield build

    def _of_model(self) -> Iterator[Metric]:
        model = GaugeMetricFamily(
            "perennial_model_info",
            "1 for the version that answers",
            labels=["version", "trained_until", "features"],
        )
        learned = GaugeMetricFamily(
            "perennial_model_trained_until_timestamp_seconds",
            "The newest moment that the answering version learned from",
            labels=["version"],
        )
        serving = self._watcher.serving
        if serving is not None:
            until: datetime = serving.predictor.trained_until
            model.add_metric(
                [serving.version, until.isoformat(), str(len(serving.schema.names))], 1
            )
            learned.add_metric([serving.version], until.timestamp())
        yield model
        yield learned


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)

"""Who answers which share of the requests, for /metrics: read at every scrape."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.versions.champion import ChampionWatcher


class TrafficState(Collector):
    """Gauges of the rule in force."""

    def __init__(self, watcher: ChampionWatcher) -> None:
        self._watcher = watcher

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' client asks for at every scrape."""
        yield self._shares()
        yield GaugeMetricFamily(
            "perennial_champion_stand_in",
            "1 while an earlier champion answers because the registry's cannot be loaded",
            value=float(self._watcher.stand_in),
        )

    def _shares(self) -> Metric:
        shares = GaugeMetricFamily(
            "perennial_traffic_share",
            "Share of requests that a version answers, or as a shadow is asked too",
            labels=["role", "version"],
        )
        lineup = self._watcher.lineup
        if lineup is None:
            return shares
        rule, other, share = lineup.rule, lineup.other, 0.0
        if rule is not None and other is not None:
            share = rule.share or 0.0
            shares.add_metric([rule.mode, other.version], share)
        answered = 1 - share if rule is not None and rule.mode != "shadow" else 1.0
        shares.add_metric(["champion", lineup.champion.version], answered)
        return shares

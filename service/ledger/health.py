"""How the ledger is, for /health/ready and for Prometheus: the same figures."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.ledger.batch import microseconds
from service.ledger.store import Store

ALERT_FILL = 0.8


class Counts(NamedTuple):
    """Rows since the start; one object, so that whoever reads them sees one moment."""

    answered: int = 0
    stored: int = 0
    spooled: int = 0

    @property
    def unbalanced(self) -> int:
        """Rows that were answered and are nowhere, or the reverse; anything but 0 is a fault."""
        return self.answered - self.stored - self.spooled


def describe(store: Store, counts: Counts, durability: str, now: datetime) -> dict[str, Any]:
    """The ledger's state.

    Returns:
        `mode` direct or spooling, `durability` full or fast, rows answered, stored at once, spooled
        and replayed since the start, whether these balance, rows and bytes that wait in the spool,
        the share of its budget, bytes that are free on its disk, the age of its oldest row in
        seconds, and `warnings`.
    """
    spool, total = store.spool, store.drain.total
    oldest = spool.oldest_at
    state = {
        "mode": "spooling" if spool.in_use else "direct",
        "durability": durability,
        "answered": counts.answered,
        "stored": counts.stored,
        "spooled": counts.spooled,
        "balanced": counts.unbalanced == 0,
        "replayed": total.rows,
        "quarantined": total.quarantined,
        "unknown_outcomes": total.unknown_outcomes,
        "waiting_rows": spool.rows,
        "spool_bytes": spool.bytes,
        "spool_fill": round(spool.fill, 6),
        "disk_free_bytes": _free_bytes(spool.slot),
        "oldest_seconds": max(0, microseconds(now) - oldest) / 1e6 if oldest is not None else 0.0,
    }
    return {**state, "warnings": _warnings(state)}


def _free_bytes(directory: Path) -> int:
    """Of the disk; none where the directory cannot be reached, for nothing can be written there."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return 0


def _warnings(state: Mapping[str, Any]) -> list[str]:
    fill = state["spool_fill"]
    wrong = {
        f"the spool is {fill:.0%} full; beyond its budget /predict answers 503": fill >= ALERT_FILL,
        f"{state['quarantined']} rows are in the spool's quarantine": state["quarantined"] > 0,
        "answered rows are missing from the ledger": not state["balanced"],
        "a power cut may lose the last rows (PERENNIAL_DURABILITY)": state["durability"] == "fast",
    }
    return [text for text, holds in wrong.items() if holds]


_COUNTERS = {
    "answered": ("perennial_ledger_rows_answered", "Rows answered"),
    "stored": ("perennial_ledger_rows_stored", "Rows that the database took at once"),
    "spooled": ("perennial_ledger_rows_spooled", "Rows that took the road of the spool"),
    "replayed": ("perennial_ledger_rows_replayed", "Rows of the spool now in the database"),
    "quarantined": ("perennial_ledger_rows_quarantined", "Rows that could not be replayed"),
}
_GAUGES = {
    "waiting_rows": ("perennial_spool_rows", "Rows that wait in the spool"),
    "spool_bytes": ("perennial_spool_bytes", "Bytes of the spool on disk"),
    "spool_fill": ("perennial_spool_fill", "Share of the spool's disk budget that is spent"),
    "disk_free_bytes": ("perennial_spool_disk_free_bytes", "Bytes free on the spool's disk"),
    "oldest_seconds": ("perennial_spool_oldest_seconds", "Age of the spool's oldest row"),
}


class LedgerCollector(Collector):
    """Shows Ledger.health to Prometheus; costs nothing between scrapes."""

    def __init__(self, health: Callable[[], dict[str, Any]]) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' client asks for at every scrape."""
        state = self._health()
        if not state:
            return
        for field, (name, text) in _COUNTERS.items():
            yield CounterMetricFamily(name, text, state[field])
        for field, (name, text) in _GAUGES.items():
            yield GaugeMetricFamily(name, text, state[field])
        unbalanced = state["answered"] - state["stored"] - state["spooled"]
        yield GaugeMetricFamily(
            "perennial_ledger_unbalanced_rows", "Answered rows that are nowhere", unbalanced
        )
        spooling = state["mode"] == "spooling"
        yield GaugeMetricFamily("perennial_ledger_spooling", "1 = the spool is in use", spooling)

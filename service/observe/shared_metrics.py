"""Several workers, one /metrics: each keeps a snapshot of its counters in a file of its slot.

A slot (0 to workers - 1) outlives its worker: who takes it over goes on from its snapshot. What a
scrape shows of the worker that answers has been saved before, so no counter ever goes back.
"""

import fcntl
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO

from prometheus_client import Metric
from prometheus_client.registry import Collector

from service.observe.metrics import GAUGE_RULES, Metrics
from service.observe.snapshot import (
    DamagedSnapshotError,
    Snapshot,
    add,
    decode,
    encode,
    lasting,
    merge,
    take,
    versions_in,
)

log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
# The gauges of a worker that has saved nothing for longer are left out: it is gone or stuck.
STALE_SECONDS = 5.0
_NOTHING = Snapshot(0.0, [])


class SlotTakenError(RuntimeError):
    """Another process counts in this slot."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"another service counts in {directory}; give each its own PERENNIAL_METRICS_DIR"
        )


def clear_slots(directory: Path) -> None:
    """Begin at zero: what is here was counted by a service that has ended.

    Raises:
        SlotTakenError: one still runs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for lock in sorted(directory.glob("*.lock")):
        _hold(lock, directory).close()
    for path in directory.glob("*.snapshot*"):
        path.unlink()


class SharedMetrics(Collector):
    """What all workers counted, as this one sees it.

    Args:
        clock: seconds since 1970.

    Raises:
        SlotTakenError: another process has the slot.
    """

    def __init__(
        self, metrics: Metrics, directory: Path, slot: int, workers: int, clock: Callable[[], float]
    ) -> None:
        self._metrics = metrics
        self._directory = directory
        self._slot = slot
        self._workers = workers
        self._clock = clock
        self._lock = Lock()  # one save at a time, and the newest last
        self._stop = Event()
        self._thread = Thread(target=self._save_often, name="metrics", daemon=True)
        self._held = _hold(directory / f"{slot}.lock", directory)
        self._seen: dict[int, Snapshot] = {}  # the last good snapshot of each slot
        self._read(slot)
        self._earlier = lasting(self._seen.get(slot, _NOTHING))
        for version in versions_in(self._earlier):
            metrics.know_version(version)

    def start(self) -> None:
        """Save now, and every second from now on."""
        self.save()
        self._thread.start()

    def stop(self) -> None:
        """Save for the last time and free the slot."""
        self._stop.set()
        self._thread.join()
        self.save()
        self.release()

    def release(self) -> None:
        """Free the slot, as the end of the process does."""
        self._held.close()

    def save(self) -> None:
        """Write this slot's snapshot; where the disk refuses, what was saved before is shown."""
        with self._lock:
            earlier = lasting(self._earlier, self._metrics.versions)
            snapshot = add(earlier, take(self._metrics.registry, self._clock()))
            path = self._path(self._slot)
            try:
                temporary = path.with_suffix(".snapshot.tmp")
                temporary.write_bytes(encode(snapshot))
                temporary.replace(path)
            except OSError:
                log.exception("the counters of this worker could not be saved")
                self._metrics.errors.labels("metrics").inc()
                return
            self._seen[self._slot] = snapshot

    def collect(self) -> Iterable[Metric]:
        """What Prometheus' client asks for at every scrape."""
        self.save()
        for slot in range(self._workers):
            if slot != self._slot:
                self._read(slot)
        fresh = self._clock() - STALE_SECONDS
        known = [
            (str(slot), snapshot if snapshot.saved_at >= fresh else lasting(snapshot))
            for slot, snapshot in sorted(self._seen.items())
        ]
        return merge(known, GAUGE_RULES)

    def _read(self, slot: int) -> None:
        """Remember what a slot has saved; a damaged file leaves what was read before."""
        try:
            self._seen[slot] = decode(self._path(slot).read_bytes())
        except FileNotFoundError:
            return  # not started yet
        except (DamagedSnapshotError, OSError) as error:
            log.warning("the counters of worker %d cannot be read: %s", slot, error)
            self._metrics.damaged_snapshots.inc()

    def _path(self, slot: int) -> Path:
        return self._directory / f"{slot}.snapshot"

    def _save_often(self) -> None:
        while not self._stop.wait(SAVE_SECONDS):
            self.save()


def _hold(lock: Path, directory: Path) -> IO[str]:
    file = lock.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise SlotTakenError(directory) from None
    return file

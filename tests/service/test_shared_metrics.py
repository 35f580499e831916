import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.observe.metrics import KEPT_VERSIONS, Metrics
from service.observe.shared_metrics import SharedMetrics, SlotTakenError, clear_slots
from service.observe.snapshot import DamagedSnapshotError, decode, encode, take

Start = Callable[..., "Worker"]


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Worker:
    """What one worker counts with."""

    metrics: Metrics
    shared: SharedMetrics

    def kill(self) -> None:
        """End as by kill -9: nothing more is saved, the kernel frees the slot."""
        self.shared.release()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Start]:
    """A function that starts the worker of a slot."""
    started: list[Worker] = []

    def start(slot: int, clock: Clock, workers: int = 3) -> Worker:
        metrics = Metrics()
        metrics.shown = shared = SharedMetrics(metrics, tmp_path, slot, workers, clock)
        started.append(Worker(metrics, shared))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def shown(one: Worker, series: str) -> float | None:
    text = one.metrics.render().decode()
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def count(one: Worker, number: int = 1, seconds: float = 0.001) -> None:
    for _ in range(number):
        one.metrics.requests.count("/predict", "POST", 200, seconds)


REQUESTS = 'perennial_requests_total{method="POST",route="/predict",status="200"}'
BUCKET = 'perennial_request_seconds_bucket{le="0.001",route="/predict"}'


def test_every_worker_shows_the_sum_of_what_all_have_saved(worker: Start) -> None:
    clock = Clock()
    workers = [worker(slot, clock) for slot in range(3)]
    for number, one in enumerate(workers, start=1):
        count(one, number)
        one.shared.save()
    for one in workers:
        assert shown(one, REQUESTS) == 6
        assert shown(one, BUCKET) == 6
        assert shown(one, 'perennial_request_seconds_count{route="/predict"}') == 6


def test_no_counter_goes_back_over_a_hundred_kills(worker: Start) -> None:
    rng, clock = random.Random(0), Clock()
    workers = [worker(slot, clock) for slot in range(3)]
    highest = 0.0
    for _ in range(100):
        victim = rng.randrange(3)
        for one in workers:
            count(one, rng.randrange(5))
        value = shown(workers[rng.randrange(3)], REQUESTS) or 0.0
        workers[victim].kill()
        workers[victim] = worker(victim, clock)
        again = shown(workers[rng.randrange(3)], REQUESTS) or 0.0
        assert again >= value >= highest
        highest = again
    assert highest > 0


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"00000000{}", b"x"])
def test_a_damaged_snapshot_is_counted_and_changes_nothing(
    worker: Start, tmp_path: Path, content: bytes
) -> None:
    clock = Clock()
    one, other = (worker(slot, clock) for slot in range(2))
    count(other, 5)
    other.shared.save()
    assert shown(one, REQUESTS) == 5
    (tmp_path / "1.snapshot").write_bytes(content)
    assert shown(one, REQUESTS) == 5
    assert shown(one, "perennial_metrics_snapshots_damaged_total") == 1
    other.kill()
    again = worker(1, clock)  # begins at zero, as it must, and does not fail
    assert shown(again, "perennial_metrics_snapshots_damaged_total") == 2


def test_every_cut_and_every_flipped_bit_of_a_snapshot_is_found() -> None:
    whole = encode(take(Metrics().registry, 1.0))
    assert encode(decode(whole)) == whole
    rng = random.Random(0)
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    for _ in range(500):
        changed = bytearray(whole)
        changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        damaged.append(bytes(changed))
    for content in damaged:
        with pytest.raises(DamagedSnapshotError):
            decode(content)


def test_gauges_of_a_dead_worker_are_left_out_and_its_counters_stay(worker: Start) -> None:
    clock = Clock()
    one, other = (worker(slot, clock) for slot in range(2))
    count(other, 5)
    other.metrics.ledger_queue.set(7)
    other.shared.save()
    assert shown(one, "perennial_ledger_queue") == 7
    assert shown(one, 'process_resident_memory_bytes{worker="1"}')
    other.kill()
    clock.now += 60
    assert shown(one, "perennial_ledger_queue") == 0
    assert shown(one, 'process_resident_memory_bytes{worker="1"}') is None
    assert shown(one, REQUESTS) == 5


def test_old_versions_make_room_also_over_a_restart(worker: Start) -> None:
    clock = Clock()
    one = worker(0, clock)
    for number in range(KEPT_VERSIONS + 3):
        one.metrics.know_version(f"v{number}")
        one.metrics.count_predictions(f"v{number}", [1])
    one.shared.save()
    one.kill()
    again = worker(0, clock)
    again.metrics.know_version("new")
    again.metrics.count_predictions("new", [1])
    text = again.metrics.render().decode()
    versions = re.findall(r'predictions_total{.*version="(\w+)"', text)
    assert versions == [f"v{number}" for number in range(4, KEPT_VERSIONS + 3)] + ["new"]


def test_a_slot_has_one_worker_and_a_directory_one_service(worker: Start, tmp_path: Path) -> None:
    one = worker(0, Clock())
    count(one)
    one.shared.save()
    for second in (lambda: worker(0, Clock()), lambda: clear_slots(tmp_path)):
        with pytest.raises(SlotTakenError, match="PERENNIAL_METRICS_DIR"):
            second()
    one.kill()
    clear_slots(tmp_path)
    assert shown(worker(0, Clock()), REQUESTS) is None


def test_a_disk_that_refuses_shows_what_was_saved_before(worker: Start, tmp_path: Path) -> None:
    clock = Clock()
    one = worker(0, clock)
    count(one, 2)
    assert shown(one, REQUESTS) == 2
    (tmp_path / "0.snapshot.tmp").mkdir()
    count(one, 2)
    assert shown(one, REQUESTS) == 2
    (tmp_path / "0.snapshot.tmp").rmdir()
    assert shown(one, REQUESTS) == 4
    assert shown(one, 'perennial_errors_total{kind="metrics"}') == 1

"""Records of the spool are damaged on disk: found, put aside, and their neighbours kept.

What is damaged may be lost, for it was on one disk alone; but it must never pass for whole, and
every record that the damage does not touch must come through.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.faults.database import connect_exclusively
from benchmarks.faults.place import Service
from benchmarks.faults.stored import Stored, rows_of, stored_rows
from benchmarks.faults.trial import PAUSE_SECONDS, Bench, wait_for
from service.ledger.records import Record, scan
from service.ledger.spool import Position, open_spool

SECTOR = 512
BUDGET = 1_000_000_000
Span = tuple[int, int]


def damage(data: bytes, rng: np.random.Generator) -> tuple[bytes, list[Span]]:
    """One of: flipped bits, garbage, an empty sector, a cut end; and the bytes that it changed."""
    start = int(rng.integers(len(data)))
    kind = rng.choice(["flip", "flip", "garbage", "empty", "cut"])
    if kind == "cut":
        return data[:start], [(start, len(data))]
    content = bytearray(data)
    if kind == "flip":
        places = rng.integers(0, len(data), rng.integers(1, 4)).tolist()
        for at in places:
            content[at] ^= 1 << int(rng.integers(8))
        return bytes(content), [(at, at + 1) for at in places]
    if kind == "empty":
        start -= start % SECTOR
    end = min(len(data), start + int(rng.integers(1, SECTOR + 1) if kind == "garbage" else SECTOR))
    content[start:end] = bytes(end - start) if kind == "empty" else rng.bytes(end - start)
    return bytes(content), [(start, end)]


def untouched(records: Iterable[Record], spans: list[Span]) -> list[bytes]:
    """Payloads of the records in which no byte was changed."""
    return [
        record.payload
        for record in records
        if record.payload is not None
        and not any(start < record.end and record.start < end for start, end in spans)
    ]


async def fill_spool(bench: Bench, service: Service) -> None:
    """Leave a spool with some records behind, by kill -9 while the database is locked."""
    holder = connect_exclusively(bench)
    async with bench.load(pause=PAUSE_SECONDS, settle=False) as progress:
        await wait_for(lambda: progress.answers > 20, "the service does not answer")
        await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")
        await asyncio.sleep(1.5)
        await asyncio.to_thread(service.kill)
    holder.execute("ROLLBACK")
    holder.close()


def segment_of(spool: Path) -> Path:
    """The one segment that fill_spool leaves."""
    (segment,) = spool.glob("*/*.spool")
    return segment


async def read_damaged(bench: Bench, service: Service) -> None:
    """Damage copies and read each with the service's own reader."""
    await fill_spool(bench, service)
    scratch = bench.place.directory / "copy"
    spool = bench.place.settings.spool_dir
    segment = segment_of(spool)
    whole = segment.read_bytes()
    records = list(scan(whole, 0, True))
    for _ in range(bench.amount):
        content, spans = damage(whole, bench.rng)
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(spool, scratch)
        (scratch / segment.relative_to(spool)).write_bytes(content)
        found, damaged = _read(scratch)
        good = untouched(records, spans)
        _count(bench, found, good, records)
        bench.figures.note("damaged records put aside", damaged)
        bench.count()


def _read(directory: Path) -> tuple[list[bytes], int]:
    spool = open_spool(directory, BUDGET)
    found: list[bytes] = []
    damaged = 0
    try:
        while (chunk := spool.read()).records:
            found += [record.payload for record in chunk.records if record.payload is not None]
            damaged += sum(record.payload is None for record in chunk.records)
            spool.forget(Position(chunk.segment, chunk.records[-1].end))
    finally:
        spool.close()
    return found, damaged


def _count(bench: Bench, found: list[bytes], good: list[bytes], records: list[Record]) -> None:
    verdict, known = bench.figures.verdict, {record.payload for record in records}
    times = Counter(found)
    verdict.acknowledged += sum(len(rows_of(payload)) for payload in good)
    verdict.lost += sum(len(rows_of(payload)) for payload in good if not times[payload])
    verdict.duplicated += sum(count - 1 for count in times.values())
    verdict.torn += sum(payload not in known for payload in found)


async def replay_damaged(bench: Bench, service: Service) -> None:
    """The real service starts on a damaged spool, replays it and answers on."""
    await fill_spool(bench, service)
    spool = bench.place.settings.spool_dir
    saved = spool.parent.with_name("saved")
    before = set(stored_rows(bench.place.engine))
    bench.place.engine.dispose()
    shutil.copytree(spool.parent, saved)
    for _ in range(bench.amount):
        await asyncio.to_thread(service.kill)
        bench.place.engine.dispose()
        shutil.rmtree(spool.parent)
        shutil.copytree(saved, spool.parent)
        segment = segment_of(spool)
        whole = segment.read_bytes()
        content, spans = damage(whole, bench.rng)
        segment.write_bytes(content)
        records = list(scan(whole, 0, True))
        service.start()
        await asyncio.to_thread(service.wait_until_ready)
        await bench.wait_until_drained()
        _compare_database(bench, before, untouched(records, spans), records)
        bench.count()


def _compare_database(
    bench: Bench, before: set[Stored], good: list[bytes], records: list[Record]
) -> None:
    """What was there before and the good records must be there, and of the others no other row."""
    written = (record.payload for record in records if record.payload is not None)
    known = {row for payload in written for row in rows_of(payload)} | before
    kept = {row for payload in good for row in rows_of(payload)} | before
    found = stored_rows(bench.place.engine)
    verdict = bench.figures.verdict
    verdict.acknowledged += len(kept)
    verdict.lost += len(kept - set(found))
    verdict.duplicated += len(found) - len({row.prediction_id for row in found})
    verdict.torn += len(set(found) - known)
    quarantine = bench.place.settings.spool_dir.glob("*/quarantine/*")
    bench.figures.note("files in the quarantine", len(list(quarantine)))

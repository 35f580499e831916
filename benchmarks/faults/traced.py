"""The real service under strace, answering from its database or from its spool."""

import asyncio
import shutil
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.faults.client import Progress
from benchmarks.faults.database import connect_exclusively
from benchmarks.faults.lost_writes import Disk
from benchmarks.faults.place import Place, Service, make_place
from benchmarks.faults.power_cut import Findings, cut_everywhere
from benchmarks.faults.setting import Setting
from benchmarks.faults.stored import stored_rows
from benchmarks.faults.syscalls import read_calls, require_strace, strace_prefix
from benchmarks.faults.trial import Bench, Figures, wait_for

ANSWERS_EACH_CUT = 3  # so many requests are answered for each cut that is wanted
IGNORED = ("-shm", ".lock")  # SQLite's shared memory; locks, which hold nothing


async def power_cut(setting: Setting, *, spooling: bool) -> Figures:
    """Trace the service under load, then cut the power at setting.amount instants.

    Args:
        spooling: lock the database meanwhile, so that the spool takes most of the rows.
    """
    require_strace()
    root = setting.directory / "disk"
    root.mkdir()
    url, spool = f"sqlite:///{root}/perennial.db", root / "spool"
    place = make_place(setting.directory, setting.bundles, database_url=url, spool_dir=spool)
    trace = setting.directory / "trace"
    # Reading a database file ends all locks that this process has on it: none may be open.
    place.engine.dispose()
    disk = Disk(root, IGNORED)
    bench = Bench(place, setting.rng, setting.amount)
    service = Service(place, setting.module, strace_prefix(trace))
    await _record(bench, service, ANSWERS_EACH_CUT * setting.amount, spooling=spooling)
    findings = await asyncio.to_thread(_cut, place, trace, disk, setting)
    await _start_again(bench, Service(place, setting.module), root, findings)
    return _figures(bench, findings)


async def _record(bench: Bench, service: Service, answers: int, *, spooling: bool) -> None:
    service.start()
    try:
        await asyncio.to_thread(service.wait_until_ready)
        holder = connect_exclusively(bench)
        async with bench.load(connections=8) as progress:
            for share, locked in ((0.25, False), (0.5, spooling), (0.25, False)):
                if locked:
                    await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")
                wanted = progress.answers + share * answers
                await wait_for(partial(_enough, progress, wanted), "too few answers")
                if locked:
                    holder.execute("ROLLBACK")
        holder.close()
    finally:
        service.kill()
        bench.place.engine.dispose()


def _enough(progress: Progress, answers: float) -> bool:
    return progress.answers >= answers


def _cut(place: Place, trace: Path, disk: Disk, setting: Setting) -> Findings:
    calls = list(read_calls(trace))
    database = Path(place.engine.url.database or "")
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as scratch:
        return cut_everywhere(
            calls, disk, database, place.settings.spool_dir, setting.amount, setting.rng,
            Path(scratch),
        )  # fmt: skip


async def _start_again(bench: Bench, service: Service, root: Path, findings: Findings) -> None:
    """Let the real service start on some of the disks, and look once nothing is spooled."""
    for files, answered in findings.samples:
        shutil.rmtree(root)
        for name, content in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(content)
        try:
            service.start()
            await asyncio.to_thread(service.wait_until_ready)
            await bench.wait_until_drained()
            ids = [row.prediction_id for row in stored_rows(bench.place.engine)]
        finally:
            service.kill()
            bench.place.engine.dispose()
        findings.verdict.lost += len(answered - set(ids))
        findings.verdict.duplicated += len(ids) - len(set(ids))
        bench.figures.note("disks that the service started on")


def _figures(bench: Bench, findings: Findings) -> Figures:
    """The load's own comparison, before any cut, counts too."""
    bench.count(findings.cuts)
    figures = bench.figures
    acknowledged = figures.verdict.acknowledged
    figures.verdict.add(findings.verdict)
    figures.verdict.acknowledged = acknowledged
    figures.note("disks", findings.disks)
    figures.note("corrupt databases", findings.broken)
    figures.note("acknowledged rows found in the spool alone", findings.spooled)
    figures.verdict.torn += findings.broken
    return figures

"""The disk is full: below the database alone, and below the spool too."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.trial import Bench, outage

SIZE = "256m"  # the rows of all trials must find room, but for the fault


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of SIZE, mounted while the block runs."""
    directory.mkdir()
    if os.geteuid() != 0:
        sys.exit("a full disk needs root, who may mount a small one: leave it out with --only")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(directory)]
    subprocess.run(mount, check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


async def full(bench: Bench, seconds: float) -> None:
    """Fill what is left of the disk, to the last byte; then make room."""
    filler = Path(bench.place.engine.url.database or "").with_name("filler")

    async def begin() -> None:
        await asyncio.to_thread(_fill, filler)

    async def end() -> None:
        filler.unlink()

    for _ in range(bench.amount):
        await outage(bench, seconds, begin, end)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)

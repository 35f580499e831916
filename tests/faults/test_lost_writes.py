"""A traced process's disk after a power cut."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.faults.lost_writes import Disk
from benchmarks.faults.syscalls import read_calls, strace_prefix

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
OPEN = "import os, sys; root = sys.argv[1]; f = os.open(root + '/old', os.O_RDWR); "
SYNC_NAMES = "os.fsync(os.open(root, os.O_RDONLY)); "
NEW = "g = os.open(root + '/new', os.O_WRONLY | os.O_CREAT); os.write(g, b'n'); os.fsync(g); "


def after(directory: Path, script: str, rng: np.random.Generator | None = None) -> dict[str, bytes]:
    """What is on the disk if the power fails at the script's end."""
    root = directory / "disk"
    root.mkdir()
    (root / "old").write_bytes(b"before")
    disk = Disk(root, ())
    command = [*strace_prefix(directory / "trace"), sys.executable, "-c", script, str(root)]
    subprocess.run(command, check=True)
    for call in read_calls(directory / "trace"):
        disk.follow(call)
    return {Path(name).name: data for name, data in disk.after_cut(rng).items()}


@pytest.mark.parametrize(
    ("script", "files"),
    [
        (OPEN + "os.pwrite(f, b'X', 2)", {"old": b"before"}),
        (OPEN + "os.pwrite(f, b'X', 2); os.fdatasync(f)", {"old": b"beXore"}),
        (OPEN + "os.ftruncate(f, 3); os.fsync(f); os.ftruncate(f, 1)", {"old": b"bef"}),
        (OPEN + "os.fsync(f); os.write(f, b'XY')", {"old": b"before"}),
        (OPEN + NEW, {"old": b"before"}),
        (OPEN + NEW + SYNC_NAMES, {"old": b"before", "new": b"n"}),
        (OPEN + "os.unlink(root + '/old')", {"old": b"before"}),
        (OPEN + "os.unlink(root + '/old'); " + SYNC_NAMES, {}),
        (OPEN + "os.rename(root + '/old', root + '/x'); " + SYNC_NAMES, {"x": b"before"}),
    ],
)
def test_only_what_was_synced_survives(
    tmp_path: Path, script: str, files: dict[str, bytes]
) -> None:
    assert after(tmp_path, script) == files


def test_a_file_in_a_directory_whose_name_is_not_synced_is_lost(tmp_path: Path) -> None:
    script = OPEN + "root += '/d'; os.mkdir(root); " + NEW + SYNC_NAMES
    assert after(tmp_path, script) == {"old": b"before"}


def test_any_sectors_of_the_rest_may_survive(tmp_path: Path) -> None:
    script = OPEN + "os.write(f, b'X' * 10_000)"
    found = after(tmp_path, script, np.random.default_rng(1))["old"]
    sectors = [found[at : at + 512] for at in range(0, len(found), 512)]
    assert b"X" * 512 in sectors
    assert any(b"X" not in sector for sector in sectors)

"""What a process did to its files, and when it answered: read from strace's output."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TRACED = (
    "openat", "creat", "lseek", "write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg",
    "ftruncate", "truncate", "fallocate", "rename", "renameat", "renameat2", "unlink", "unlinkat",
    "link", "linkat", "mkdir", "rmdir", "fsync", "fdatasync", "sync_file_range", "msync",
    "sendfile", "copy_file_range", "mmap",
)  # fmt: skip
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<([^>]*)>)?", re.DOTALL)
_BEGUN = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$", re.DOTALL)
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FD = re.compile(r"^(-?\d+)<([^>]*)>(\(deleted\))?")
_SOCKET = "socket:["


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that came back.

    Attributes:
        begun: how many calls had come back when this one was made.
        path: of the file that it was made on; "" where it names files by `texts` alone.
        texts: its strings: data, or names.
        rest: its arguments as strace writes them, without the strings.
    """

    name: str
    begun: int
    fd: int
    path: str
    texts: tuple[bytes, ...]
    rest: str
    result: int
    opened: str  # the path of the descriptor that it gave


def require_strace() -> None:
    """Make sure that strace is there; as root on Debian it is installed, otherwise the remedy."""
    if shutil.which("strace"):
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("installing strace ...", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "strace"], check=False,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    if not shutil.which("strace"):
        sys.exit("the power cut needs strace: `apt-get install strace`")


def strace_prefix(output: Path) -> tuple[str, ...]:
    """The command under which a process is run so that read_calls understands it."""
    wanted = f"trace={','.join(TRACED)}"
    return ("strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "100000000", "-e", wanted,
            "-e", "signal=none", "-o", str(output))  # fmt: skip


def read_calls(trace: Path) -> Iterator[Call]:
    """Successful calls, in the order in which they came back.

    An answer on a socket stands where it was begun: from then on the client may know it.
    """
    open_calls: dict[str, tuple[str, int]] = {}
    count = 0
    with trace.open() as lines:
        for line in lines:
            begun = count
            text = line.rstrip("\n")
            if found := _BEGUN.match(text):
                pid, name, arguments = found.groups()
                call = _make(name, f"{arguments}", 0, None, begun)
                if call is not None and call.path.startswith(_SOCKET):
                    yield call
                    count += 1
                else:
                    open_calls[pid] = (f"{pid}  {name}({arguments}", begun)
                continue
            if found := _RESUMED.match(text):
                if found[1] not in open_calls:
                    continue
                start, begun = open_calls.pop(found[1])
                text = start + found[3]
            if (done := _CALL.match(text)) is None or int(done[4]) < 0:
                continue
            call = _make(done[2], done[3], int(done[4]), done[5], begun)
            if call is not None:
                yield call
                count += 1


def _make(name: str, arguments: str, result: int, opened: str | None, begun: int) -> Call | None:
    if name == "mmap" and "MAP_SHARED" not in arguments:
        return None
    # mmap's descriptor is its fifth argument; every other's is the first.
    place = arguments.split(", ")[4] if name == "mmap" else arguments
    found = _FD.match(place)
    if found and found[3]:  # the file has no name any more, and cannot come back
        return None
    texts = tuple(_unescape(each) for each in _TEXT.findall(arguments))
    path = _unescape(found[2]).decode() if found else ""
    return Call(name, begun, int(found[1]) if found else -1, path, texts,
                _TEXT.sub("", arguments), result, _unescape(opened or "").decode())  # fmt: skip


def _unescape(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))

"""A disk that keeps only what was synced: what a directory holds after a power cut.

A file's bytes are safe once fsync or fdatasync of it came back, for the writes that had come back
before it was called; a name is safe once its directory was synced. Of all else anything may be on
the disk: nothing, or any of its 512-byte sectors.
"""

from pathlib import Path

import numpy as np

from benchmarks.faults.inode import Change, Inode
from benchmarks.faults.syscalls import Call

WRITES = {"write", "writev", "pwrite64"}
SYNCS = {"fsync", "fdatasync"}
# What would need a model of its own, were it ever used on these files.
UNKNOWN = {"pwritev", "fallocate", "sendfile", "copy_file_range", "link", "linkat", "msync",
           "sync_file_range", "truncate", "mmap"}  # fmt: skip


class UnknownCallError(RuntimeError):
    """A call that the model of the disk does not know."""


class Disk:
    """Follows the calls on the files below `root`.

    Args:
        ignored: endings of names that no restart reads, such as SQLite's -shm.
    """

    def __init__(self, root: Path, ignored: tuple[str, ...]) -> None:
        self._root = str(root)
        self._ignored = ignored
        self._safe: dict[str, Inode] = {}  # names as the disk has them
        self._names: dict[str, Inode] = {}  # names as the process sees them
        self._new_directories: set[str] = set()  # made, and not safe yet
        self._positions: dict[int, int] = {}  # of descriptors that write without an offset
        self._count = 0
        for path in root.rglob("*"):
            if path.is_file() and not path.name.endswith(ignored):
                content = bytearray(path.read_bytes())
                self._names[str(path)] = Inode(content, size=len(content))
        self._safe = dict(self._names)

    def follow(self, call: Call) -> None:
        """Take one more call into account; every call counts, on these files or not.

        Raises:
            UnknownCallError: see UNKNOWN.
        """
        when, self._count = self._count, self._count + 1
        if call.name in ("openat", "creat"):
            self._open(call)
        elif call.name == "mkdir":
            self._new_directories.add(self._full(call.texts[0].decode()))
        elif call.name.startswith(("rename", "unlink")):
            self._rename(call)
        elif self._mine(call.path):
            if call.name in UNKNOWN:
                raise UnknownCallError(f"{call.name} on {call.path}")
            self._change(call, when)
        elif call.name in SYNCS and call.path.startswith(self._root):
            self._sync_directory(call.path)

    def _mine(self, path: str) -> bool:
        return path in self._names and not path.endswith(self._ignored)

    def _open(self, call: Call) -> None:
        path = call.opened
        if not path.startswith(self._root + "/") or path.endswith(self._ignored):
            return
        if "O_DIRECTORY" in call.rest:
            return
        inode = self._names.setdefault(path, Inode()) if "O_CREAT" in call.rest else None
        inode = inode or self._names.get(path)
        if inode is not None and "O_TRUNC" in call.rest and inode.size:
            inode.pending.append(Change(self._count, 0, None))
            inode.size = 0
        self._positions[call.result] = -1 if "O_APPEND" in call.rest else 0

    def _rename(self, call: Call) -> None:
        names = [self._full(name.decode()) for name in call.texts]
        inode = self._names.pop(names[0], None)
        if len(names) == 2 and inode is not None:
            self._names[names[1]] = inode

    def _full(self, name: str) -> str:
        return name if name.startswith("/") else str(Path.cwd() / name)

    def _change(self, call: Call, when: int) -> None:
        inode = self._names[call.path]
        if call.name in SYNCS:
            inode.sync(call.begun)
        elif call.name == "lseek":
            self._positions[call.fd] = call.result
        elif call.name == "ftruncate":
            size = int(call.rest.rpartition(", ")[2])
            inode.pending.append(Change(when, size, None))
            inode.size = size
        elif call.name in WRITES:
            offset = self._offset(call, inode)
            data = b"".join(call.texts)[: call.result]
            inode.pending.append(Change(when, offset, data))
            inode.size = max(inode.size, offset + len(data))

    def _offset(self, call: Call, inode: Inode) -> int:
        if call.name == "pwrite64":
            return int(call.rest.rpartition(", ")[2])
        position = self._positions.get(call.fd, -1)
        if position < 0:
            return inode.size
        self._positions[call.fd] = position + call.result
        return position

    def _sync_directory(self, directory: str) -> None:
        def inside(names: dict[str, Inode]) -> dict[str, Inode]:
            return {n: i for n, i in names.items() if _parent(n) == directory}

        self._new_directories -= {n for n in self._new_directories if _parent(n) == directory}
        for name in inside(self._safe):
            del self._safe[name]
        self._safe.update(inside(self._names))

    def after_cut(self, rng: np.random.Generator | None) -> dict[str, bytes]:
        """Each file's bytes after a cut now.

        Args:
            rng: decides which unsynced sectors and names survive; None = none of them.
        """
        if rng is None:
            gone = self._new_directories
            return {n: i.surviving(None) for n, i in self._safe.items() if not _below(n, gone)}
        gone = {name for name in self._new_directories if rng.random() < 0.5}
        names = dict(self._safe)
        for name in self._safe.keys() | self._names.keys():
            now = self._names.get(name)
            if now is not self._safe.get(name) and rng.random() < 0.5:
                if now is None:
                    del names[name]
                else:
                    names[name] = now
        share = rng.choice([0.5, 0.9, 1.0])
        return {
            name: inode.surviving(lambda _: rng.random() < share)
            for name, inode in names.items()
            if not _below(name, gone)
        }


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _below(name: str, directories: set[str]) -> bool:
    return any(name.startswith(directory + "/") for directory in directories)

"""A file's bytes that are safe, and the changes that a power cut may take or leave."""

from collections.abc import Callable
from dataclasses import dataclass, field

SECTOR = 512
Keep = Callable[[int], bool]  # whether the sector at this offset survives


@dataclass(frozen=True, slots=True)
class Change:
    """A write that has come back but is not synced; `data` None = cut to `offset` bytes."""

    when: int
    offset: int
    data: bytes | None

    def apply(self, content: bytearray, keep: Keep | None = None) -> None:
        if self.data is None:
            if keep is None or keep(self.offset):
                _resize(content, self.offset)
            return
        for start in range(0, len(self.data), SECTOR) if keep else (0,):
            part = self.data[start : start + SECTOR] if keep else self.data
            if keep is None or keep(self.offset + start):
                _resize(content, max(len(content), self.offset + start + len(part)))
                content[self.offset + start : self.offset + start + len(part)] = part


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


@dataclass
class Inode:
    """A file, whatever it is called."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)
    size: int = 0  # as the process sees it

    def sync(self, before: int) -> None:
        for change in self.pending:
            if change.when < before:
                change.apply(self.safe)
        self.pending = [change for change in self.pending if change.when >= before]

    def surviving(self, keep: Keep | None) -> bytes:
        if keep is None:
            return bytes(self.safe)
        content = bytearray(self.safe)
        for change in self.pending:
            change.apply(content, keep)
        return bytes(content)

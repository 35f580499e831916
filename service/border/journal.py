"""Log lines on their way to stderr: collected, written by a thread, never waited for.

A line waits at most FLUSH_SECONDS; kill -9 loses those that wait, and nothing else. A reader of
stderr that does not read costs lines, which are counted, and never time.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from threading import Event, Thread

FLUSH_SECONDS = 0.1
# A write of at most PIPE_BUF bytes stays in one piece beside those of other processes.
PIECE_BYTES = 4096
MAX_LINES = 50_000
STOP_SECONDS = 2.0
_FULL_PIPE_SECONDS = 0.02
_NOWHERE = -1  # no descriptor: writing fails at once, and is counted


class Journal:
    """Writes lines to a file descriptor: directly until `start` and after `stop`.

    Any thread may write. Lines keep their order.

    Args:
        on_drop: called for each line that is given up.
        dropped_line: makes the line that tells how many were.
    """

    def __init__(
        self,
        descriptor: int,
        dropped_line: Callable[[int], bytes],
        on_drop: Callable[[], None] = lambda: None,
        max_lines: int = MAX_LINES,
    ) -> None:
        self.dropped = 0
        self.on_drop = on_drop
        self._descriptor = descriptor
        self._dropped_line = dropped_line
        self._max_lines = max_lines
        self._untold = 0  # dropped, and not yet told in a line
        self._lines: list[bytes] = []
        self._waiting = Event()
        self._thread: Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Collect lines from here on."""
        self._stopping = False
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits; if nobody reads, give up after STOP_SECONDS."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopping = True
        self._waiting.set()
        thread.join(STOP_SECONDS)
        if thread.is_alive():  # whoever writes now would wait as it does
            self._descriptor = _NOWHERE

    def write(self, line: bytes) -> None:
        """Take one line, with its line break."""
        if self._thread is None:
            self._put([line])
            return
        if len(self._lines) >= self._max_lines:
            self.dropped += 1
            self._untold += 1
            self.on_drop()
            return
        self._lines.append(line)
        if not self._waiting.is_set():
            self._waiting.set()

    def _run(self) -> None:
        while not self._stopping:
            self._waiting.wait()
            if not self._stopping:
                time.sleep(FLUSH_SECONDS)
            self._waiting.clear()
            self._flush()

    def _flush(self) -> None:
        while self._lines:
            # Emptied only once written: what is being written counts as waiting.
            lines = self._lines[: self._max_lines]
            self._put(lines)
            del self._lines[: len(lines)]
            untold, self._untold = self._untold, 0
            if untold:
                self._put([self._dropped_line(untold)])

    def _put(self, lines: Iterable[bytes]) -> None:
        for piece in pieces(lines):
            try:
                _write_all(self._descriptor, piece)
            except OSError:  # stderr is closed: there is nowhere to say so
                self.dropped += piece.count(b"\n")
                self.on_drop()


def pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines joined up to PIECE_BYTES; a longer line is a piece of its own."""
    joined: list[bytes] = []
    size = 0
    for line in lines:
        if joined and size + len(line) > PIECE_BYTES:
            yield b"".join(joined)
            joined, size = [], 0
        joined.append(line)
        size += len(line)
    if joined:
        yield b"".join(joined)


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        try:
            content = content[os.write(descriptor, content) :]
        except BlockingIOError:
            time.sleep(_FULL_PIPE_SECONDS)

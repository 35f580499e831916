"""Several service processes on one port: started, watched, restarted and stopped by this one.

uvicorn's own supervisor looks every half second and starts a fresh interpreter, which takes
longer than the second that a killed worker may be away. Here a worker is a fork of a process that
has imported everything and opened nothing, and its end wakes its parent at once.
"""

import gc
import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from ctypes import c_bool
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from multiprocessing.sharedctypes import RawArray
from threading import Thread
from typing import Any

log = logging.getLogger(__name__)

# Runs one worker until it is told to stop: its slot, its socket, what to call once it has started.
Run = Callable[[int, socket.socket, Callable[[], None]], None]

BACKLOG = 2048
ENDS = (signal.SIGTERM, signal.SIGINT)
WATCHED = (*ENDS, signal.SIGCHLD)
# Between looks while something is due; otherwise only a signal wakes the supervisor.
TICK_SECONDS = 0.05
STOP_SECONDS = 30.0
# A worker that ends sooner than this after its start is started again after a pause.
SHORT_LIFE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0


class PortTakenError(RuntimeError):
    """Nobody can listen there."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another PERENNIAL_PORT"
        )


class WorkerFailedError(RuntimeError):
    """A worker ended before it ever answered."""

    def __init__(self, slot: int, code: int | None) -> None:
        super().__init__(f"worker {slot} ended with {code} before it could answer; see above")


@dataclass
class Slot:
    """A place for a worker; its socket stays, so that connections wait for its next one."""

    number: int
    socket: socket.socket
    process: ForkProcess
    started: float
    pause: float = 0.0
    due: float | None = None  # when its next worker starts; None = one runs


def listen(host: str, port: int, workers: int) -> list[socket.socket]:
    """One listening socket for each worker, on the same port; the kernel divides connections.

    Raises:
        PortTakenError: see above.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Alone on the port first: sockets that share one would also share it with strangers.
        with socket.create_server((host, port), family=family) as alone:
            port = alone.getsockname()[1]
        address = (host, port)
        return [
            socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True)
            for _ in range(workers)
        ]
    except OSError as error:
        raise PortTakenError(host, port, error) from None


def supervise(run: Run, sockets: list[socket.socket]) -> None:
    """Keep one worker for each socket running until SIGTERM or SIGINT, then stop them all.

    Raises:
        WorkerFailedError: one never started; it would not the next time either.
    """
    gc.collect()
    gc.freeze()  # pages that the collector does not touch stay shared
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    supervisor = _Supervisor(run, sockets)
    try:
        supervisor.watch()
    finally:
        supervisor.stop()


class _Supervisor:
    def __init__(self, run: Run, sockets: list[socket.socket]) -> None:
        self._run = run
        self._sockets = sockets
        self._ready: Any = RawArray(c_bool, len(sockets))  # set by workers; no lock to die with
        self._lifeline = os.pipe()  # its end tells workers that this process is gone
        self._all_ready = False
        self._slots = [self._open(number) for number in range(len(sockets))]

    def watch(self) -> None:
        while True:
            waiting = not self._all_ready or any(slot.due is not None for slot in self._slots)
            if waiting:
                signalled = signal.sigtimedwait(WATCHED, TICK_SECONDS)
            else:
                signalled = signal.sigwaitinfo(WATCHED)
            if signalled is not None and signalled.si_signo in ENDS:
                return
            now = time.monotonic()
            for slot in self._slots:
                self._look(slot, now)
            self._tell_once()

    def stop(self) -> None:
        """Let every worker finish what it has begun; kill what takes too long."""
        for slot in self._slots:
            slot.process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for slot in self._slots:
            slot.process.join(max(0.0, end - time.monotonic()))
            if slot.process.exitcode is None:
                log.error("worker %d did not stop and was killed", slot.number)
                slot.process.kill()
                slot.process.join()

    def _open(self, number: int) -> Slot:
        return Slot(number, self._sockets[number], self._start(number), time.monotonic())

    def _start(self, number: int) -> ForkProcess:
        context = multiprocessing.get_context("fork")
        process = context.Process(target=self._work, args=(number,), name=f"worker-{number}")
        process.start()
        return process

    def _look(self, slot: Slot, now: float) -> None:
        """Notice a worker's end; start the next one when it is due."""
        if slot.due is None and slot.process.exitcode is not None:
            code = slot.process.exitcode
            if not self._all_ready and not self._ready[slot.number]:
                raise WorkerFailedError(slot.number, code)
            log.error("worker %d ended with %s and is started again", slot.number, code)
            short = now - slot.started < SHORT_LIFE_SECONDS
            slot.pause = min(2 * slot.pause + TICK_SECONDS, LONGEST_PAUSE_SECONDS) if short else 0.0
            slot.due = now + slot.pause
        if slot.due is not None and now >= slot.due:
            slot.process = self._start(slot.number)
            slot.started, slot.due = now, None

    def _tell_once(self) -> None:
        if not self._all_ready and all(self._ready):
            self._all_ready = True
            host, port = self._sockets[0].getsockname()[:2]
            workers = len(self._sockets)
            log.info("%d workers are running on http://%s:%d", workers, host, port)

    def _work(self, number: int) -> None:
        """The worker's whole life; in the forked process."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        reading, writing = self._lifeline
        os.close(writing)
        Thread(target=_end_with_parent, args=(reading,), name="lifeline", daemon=True).start()
        for other, shared in enumerate(self._sockets):
            if other != number:
                shared.close()
        self._run(number, self._sockets[number], lambda: self._ready.__setitem__(number, True))


def _end_with_parent(reading: int) -> None:
    os.read(reading, 1)  # returns only when the last writer, the supervisor, is gone
    os.kill(os.getpid(), signal.SIGTERM)

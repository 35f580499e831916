"""Explanations beside predictions: one child process, a short queue, and a deadline."""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from functools import lru_cache, partial
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any, NamedTuple

from contracts.bundle_files import BundleError
from contracts.params import ClassLabel

log = logging.getLogger(__name__)

NEEDED = ("numpy", "pandas", "pyarrow", "shap", "sklearn", "skops")
WAITING = 8
SECONDS = 30.0
STOP_SECONDS = 5.0
KEPT_VERSIONS = 2
# Predictions come first where there are fewer cores than work.
NICE = 5


class ExplainerMissingError(RuntimeError):
    """What explanations need is not installed."""

    def __init__(self, absent: list[str]) -> None:
        super().__init__(
            f"explanations need {', '.join(absent)}; install requirements/explain.txt and restart"
        )


class ExplainerBusyError(RuntimeError):
    """Too many explanations wait, or this one took too long."""


class ExplainerDiedError(RuntimeError):
    """The child ended in the middle of an explanation; its stderr says why."""


class VersionGoneError(LookupError):
    """The version that answered cannot be loaded any more."""

    def __init__(self, version: str) -> None:
        super().__init__(f"version {version} answered, and its bundle cannot be loaded any more")


class _Question(NamedTuple):
    version: str
    features: dict[str, Any]
    prediction: ClassLabel | float
    prediction_id: str


class Explainer:
    """Asks the child, one question at a time; starts it when it is first needed. Thread-safe.

    Args:
        bundles: the directory of registered bundles.
        waiting: more questions at once, besides the one that is worked on, are refused.
        seconds: from question to answer; a child that works for longer is killed. One that is
            still starting is not: it is there for the next question.
    """

    def __init__(self, bundles: Path, waiting: int = WAITING, seconds: float = SECONDS) -> None:
        self._bundles = bundles
        self._seconds = seconds
        self._places = BoundedSemaphore(waiting + 1)
        self._turn = Lock()
        self._child: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._ready = False

    def explain(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The explanation of a logged prediction; blocks.

        Args:
            row: what service.queries.find_prediction found.

        Raises:
            ExplainerMissingError: the extra packages are not installed.
            ExplainerBusyError: the queue is full, or the time is over.
            ExplainerDiedError: the child ended over this question.
            VersionGoneError: the version's bundle is not there any more.
        """
        absent = [name for name in NEEDED if find_spec(name) is None]
        if absent:
            raise ExplainerMissingError(absent)
        if not (self._bundles / row["model_version"]).is_dir():
            raise VersionGoneError(row["model_version"])
        question = _Question(
            row["model_version"], row["features"], row["prediction"], row["prediction_id"]
        )
        if not self._places.acquire(blocking=False):
            raise ExplainerBusyError("too many explanations are waiting; try again")
        try:
            answer = self._wait_and_ask(question)
        finally:
            self._places.release()
        names = ("prediction_id", "model_version", "prediction")
        return {**{name: row[name] for name in names}, **answer}

    def stop(self) -> None:
        """End the child; the next question would start another."""
        with self._turn:
            self._end_child(STOP_SECONDS)

    def _wait_and_ask(self, question: _Question) -> dict[str, Any]:
        end = time.monotonic() + self._seconds
        if not self._turn.acquire(timeout=self._seconds):
            raise ExplainerBusyError(f"no turn within {self._seconds:g} s; try again")
        try:
            return self._ask(question, end)
        finally:
            self._turn.release()

    def _ask(self, question: _Question, end: float) -> dict[str, Any]:
        pipe = self._living_child()
        try:
            if not self._ready:
                self._receive(pipe, end)
                self._ready = True
            pipe.send(question)
            answer = self._receive(pipe, end)
        except (EOFError, ConnectionError):
            self._end_child(0)
            raise ExplainerDiedError("the explanation failed; the service's log has why") from None
        except ExplainerBusyError:
            if self._ready:
                self._end_child(0)
            raise
        if isinstance(answer, BundleError):
            log.warning("no explanation by version %s: %s", question.version, answer)
            raise VersionGoneError(question.version)
        found: dict[str, Any] = answer
        return found

    def _receive(self, pipe: Connection, end: float) -> Any:
        if not pipe.poll(max(0.0, end - time.monotonic())):
            raise ExplainerBusyError(f"no explanation within {self._seconds:g} s; try again")
        return pipe.recv()

    def _living_child(self) -> Connection:
        if self._pipe is None or self._child is None or not self._child.is_alive():
            self._end_child(0)
            # spawn: a fork would copy the service's threads' locks, and its memory.
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._child = context.Process(
                target=_work, args=(theirs, self._bundles), name="explainer", daemon=True
            )
            self._child.start()
            theirs.close()  # else the end of the child would not end the pipe
        return self._pipe

    def _end_child(self, patience: float) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            self._child.join(patience)
            self._child.kill()
            self._child.join()
            self._child.close()
        self._child = self._pipe = None
        self._ready = False


def _work(pipe: Connection, bundles: Path) -> None:
    """The child: says that it is ready, then answers until the pipe ends.

    Whatever else goes wrong ends it, with its trace on stderr.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service decides when it ends
    os.nice(NICE)
    from service.answer.explanation import (  # never in the service itself
        explain,
        load_version,
        warm_up,
    )

    load = lru_cache(KEPT_VERSIONS)(partial(load_version, bundles))
    warm_up()
    pipe.send(None)
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        try:
            version = load(question.version)
        except BundleError as error:
            pipe.send(error)
        else:
            pipe.send(
                explain(version, question.features, question.prediction, question.prediction_id)
            )

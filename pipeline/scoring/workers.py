"""Who answers chunks: a thread beside the reader, or processes; results come in order."""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from contracts.bundle import Bundle, load_bundle
from contracts.bundle_files import BundleError
from pipeline.scoring.input import InputFile, common_columns
from pipeline.scoring.parts import ScoreError
from pipeline.scoring.read import Chunk, read_chunks
from pipeline.scoring.rows import Asked, Scored, Scorer, make_scorer

T = TypeVar("T")
AHEAD = 2  # chunks that wait for each worker, so that none waits for the reader


@dataclass(frozen=True)
class Plan:
    """How the work is cut: `after` is the last finished chunk, None at the beginning."""

    rows_per_chunk: int
    processes: int
    after: tuple[int, int] | None


class Promise(Protocol):
    """A future, of whatever library."""

    def result(self) -> Any: ...


def in_order(
    submit: Callable[[T], Promise], tasks: Iterable[T], ahead: int
) -> Iterator[tuple[T, Any]]:
    """Tasks with their results, while at most `ahead` tasks are under way."""
    waiting: deque[tuple[T, Promise]] = deque()
    for task in tasks:
        if len(waiting) >= ahead:
            first, promise = waiting.popleft()
            yield first, promise.result()
        waiting.append((task, submit(task)))
    for task, promise in waiting:
        yield task, promise.result()


def score_here(
    files: Sequence[InputFile],
    bundle: Bundle,
    directory: Path,
    asked: Asked,
    plan: Plan,
    clock: Callable[[], datetime],
) -> Generator[tuple[str, Scored], None, None]:
    """Answer the files' chunks after `plan.after`, each with its part's name, in order.

    Args:
        directory: of the bundle, from which each process reads it.

    Raises:
        DatasetError: a file cannot be read, or a row cannot be answered.
        BundleError: the bundle is no longer the same.
        ScoreError: a worker died.
    """
    columns = asked.columns(bundle.schema, common_columns(files))
    chunks = read_chunks(files, columns, plan.rows_per_chunk, plan.after)
    with ExitStack() as stack:
        executor = _make_executor(plan.processes)
        stack.callback(executor.shutdown, cancel_futures=True)

        def submit(chunk: Chunk) -> Promise:
            place = files[chunk.file].name
            return executor.submit(score_chunk, directory, bundle.version, asked, chunk.table,
                                   place, chunk.first, clock())  # fmt: skip

        try:
            for chunk, scored in in_order(submit, chunks, AHEAD * plan.processes):
                yield chunk_name(chunk.file, chunk.number), scored
        except BrokenProcessPool:
            raise ScoreError(
                "a worker died, for lack of memory perhaps; the same command goes on, "
                "--processes 1 needs less"
            ) from None


def score_chunk(
    directory: Path,
    version: str,
    asked: Asked,
    table: pa.Table,
    place: str,
    first: int,
    now: datetime,
) -> Scored:
    """Answer a chunk in whatever process this is; arguments as of Scorer.score.

    Raises:
        BundleError: the bundle in `directory` is not `version`.
    """
    return _scorer(directory, version, asked).score(table, place, first, now)


def chunk_name(file: int, number: int) -> str:
    """The name of a chunk's part; names sort as chunks do."""
    return f"part-{file:05}-{number:07}.parquet"


def last_chunk(names: Sequence[str]) -> tuple[int, int] | None:
    """File and number of the last of the parts."""
    if not names:
        return None
    _, file, number = Path(max(names)).stem.split("-")
    return int(file), int(number)


@lru_cache(maxsize=1)
def _scorer(directory: Path, version: str, asked: Asked) -> Scorer:
    bundle = load_bundle(directory)
    if bundle.version != version:
        raise BundleError(f"{directory} was replaced while it was used; --restart begins anew")
    return make_scorer(bundle, asked)


def _make_executor(processes: int) -> Executor:
    """One thread, or processes that end with this one."""
    if processes == 1:
        return ThreadPoolExecutor(1)
    # A fork would copy the locks of Arrow's threads.
    return ProcessPoolExecutor(processes, get_context("spawn"), _follow_parent)


def _follow_parent() -> None:
    """A worker whose parent was killed would wait for its next chunk for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)

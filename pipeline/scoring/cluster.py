"""Scoring on a Dask cluster: a file, or a row group of a large one, is a task.

Workers read the input themselves, so its address must mean the same to them; answers come back
here, where they are written in order. What a lost worker had is computed again by others.
"""

from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from contracts.bundle import Bundle
from contracts.bundle_files import ONNX
from pipeline.cluster import ClusterError, connect
from pipeline.scoring.input import InputFile, common_columns, count_groups
from pipeline.scoring.read import read_file
from pipeline.scoring.rows import Asked, Scored, make_scorer
from pipeline.scoring.workers import AHEAD, Promise, in_order

RETRIES = 2  # of a task that failed by itself; a lost worker's tasks are none of these
NEEDED = ("schema.json", ONNX, "model.skops")


@dataclass(frozen=True)
class Piece:
    """What one task answers."""

    name: str  # of its part
    file: InputFile
    group: int | None  # None = the whole file


def plan_pieces(files: Sequence[InputFile]) -> list[Piece]:
    """A task for each file, or for each row group where there is one Parquet file only."""
    if len(files) == 1:
        groups: list[int | None] = [*range(count_groups(files[0]))]
        return [Piece(f"part-{i:05}.parquet", files[0], g) for i, g in enumerate(groups or [None])]
    named = all(file.name.endswith(".parquet") for file in files)
    return [
        Piece(file.name if named else f"part-{i:05}.parquet", file, None)
        for i, file in enumerate(files)
    ]


def score_on_cluster(
    address: str,
    files: Sequence[InputFile],
    bundle: Bundle,
    asked: Asked,
    rows_per_chunk: int,
    finished: Collection[str],
    now: datetime,
) -> Generator[tuple[str, Scored], None, None]:
    """Answer the pieces that are not `finished`, each with its part's name, in order.

    Raises:
        DatasetError: a file cannot be read, or a row cannot be answered.
        ClusterError: the cluster cannot be used, or lost too many workers.
    """
    columns = asked.columns(bundle.schema, common_columns(files))
    needed = {name: content for name, content in bundle.files.items() if name in NEEDED}
    pieces = [piece for piece in plan_pieces(files) if piece.name not in finished]
    with connect(address) as client:
        # A task, not scattered: what was scattered to a worker is lost with it.
        shared = client.submit(Bundle, bundle.version, {}, needed, pure=False)

        def submit(piece: Piece) -> Promise:
            task = (score_piece, shared, asked, columns, rows_per_chunk, piece, now)
            promise: Promise = client.submit(*task, retries=RETRIES, pure=False)
            return promise

        ahead = AHEAD * max(sum(client.nthreads().values()), 1)
        with _named_losses():
            for piece, scored in in_order(submit, pieces, ahead):
                yield piece.name, scored


def score_piece(
    bundle: Bundle,
    asked: Asked,
    columns: Sequence[str],
    rows_per_chunk: int,
    piece: Piece,
    now: datetime,
) -> Scored:
    """Answer a file or a row group in chunks; runs on a worker."""
    scorer = make_scorer(bundle, asked)
    place = piece.file.name if piece.group is None else f"{piece.file.name}[{piece.group}]"
    tables = read_file(piece.file, columns, rows_per_chunk, group=piece.group)
    scored = [
        scorer.score(table, place, number * rows_per_chunk, now)
        for number, table in enumerate(tables)
    ]
    return Scored(pa.concat_tables(s.answers for s in scored), None, sum(s.bad for s in scored))


@contextmanager
def _named_losses() -> Iterator[None]:
    from distributed import KilledWorker

    try:
        yield
    except (KilledWorker, CancelledError, OSError) as error:
        raise ClusterError(f"the cluster was lost: {error}; the same command goes on") from None

"""Puts a snapshot through two processes and gathers how they differ; verdict.py judges it."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.bundle import Bundle
from contracts.replay_params import Replay
from contracts.schema import FeatureSchema
from deploy.replaying.asking import Asked, ask_all
from deploy.replaying.door import BrokenDoorError, Door
from deploy.replaying.faithful import Served, compare_with_bundle
from deploy.replaying.latency import Times, measure
from deploy.replaying.rows import Row, Snapshot
from deploy.replaying.scores import Difference, Segment, differ, distance, losses, segments


class IncomparableError(RuntimeError):
    """Nothing can be said of the candidate; the message says why."""


@dataclass(frozen=True)
class Side:
    """One image's process, and the bundle that the image carries."""

    door: Door
    bundle: Bundle


@dataclass(frozen=True)
class Compared:
    """What was seen.

    Attributes:
        unasked: rows that the champion did not answer; they say nothing of the candidate.
        difference: of rows that both answered; None = there are none.
        added, removed: columns that only the candidate, or only the champion knows.
        loss: rows with outcomes, and the mean loss of champion and candidate on them.
        times, peak_mb: champion's and candidate's; None = the candidate did not last.
        ended: why the candidate's process was given up while it was asked; "" = it was not.
    """

    champion: Asked
    candidate: Asked
    unasked: tuple[Row, ...]
    difference: Difference | None
    distance: float
    segments: tuple[Segment, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    loss: tuple[int, float, float] | None
    served: Served
    times: tuple[Times, Times] | None
    peak_mb: tuple[float, float] | None
    ended: str
    same_model: bool


def compare(champion: Side, candidate: Side, snapshot: Snapshot, params: Replay) -> Compared:
    """Ask both for every row, then for one row at a time in turn.

    Raises:
        IncomparableError: they answer different questions, or the champion cannot be asked.
    """
    schemas = champion.bundle.schema, candidate.bundle.schema
    _require_same_question(*schemas)
    first = ask_all(champion.door, schemas[0], snapshot.rows)
    if first.gone or len(first.answers) < params.min_rows:
        raise IncomparableError(_silent(first, len(snapshot.rows), params.min_rows))
    second = ask_all(candidate.door, schemas[1], snapshot.rows)
    both = [row for row in snapshot.rows if row.number in first.answers.keys() & second.answers]
    answers = (
        [first.answers[row.number] for row in both],
        [second.answers[row.number] for row in both],
    )
    found = differ(schemas[0].target, both, *answers) if both else None
    times, peak_mb, ended = _cost(champion.door, candidate.door, schemas, both, second, params)
    return Compared(
        champion=first,
        candidate=second,
        unasked=tuple(row for row in snapshot.rows if row.number not in first.answers),
        difference=found,
        distance=distance(found.champion, found.candidate) if found else 0.0,
        segments=_segments(found, schemas, params),
        added=tuple(name for name in schemas[1].names if name not in schemas[0].names),
        removed=tuple(name for name in schemas[0].names if name not in schemas[1].names),
        loss=losses(schemas[0].target, both, *answers),
        served=compare_with_bundle(candidate.bundle, snapshot.rows, second.answers),
        times=times,
        peak_mb=peak_mb,
        ended=ended,
        same_model=champion.bundle.version == candidate.bundle.version,
    )


def _require_same_question(champion: FeatureSchema, candidate: FeatureSchema) -> None:
    """Columns may differ; what is asked may not."""
    before, after = champion.target, candidate.target
    if (before.task, before.classes) != (after.task, after.classes):
        raise IncomparableError(
            f"the champion answers {before.task} {before.outputs}, the candidate {after.task} "
            f"{after.outputs}: their scores mean different things"
        )


def _silent(asked: Asked, rows: int, least: int) -> str:
    first = next(iter(asked.failures.values()), None)
    told = f"; {first.row.name}: {first.told}" if first else ""
    left = f" ({asked.gone})" if asked.gone else ""
    return (
        f"the champion answered {len(asked.answers)} of {rows} rows{left}; replay.min_rows asks "
        f"for {least}{told}"
    )


def _segments(
    found: Difference | None, schemas: Sequence[FeatureSchema], params: Replay
) -> tuple[Segment, ...]:
    if found is None:
        return ()
    shared = [name for name in schemas[0].names if name in schemas[1].names]
    columns = shared if params.segments.columns is None else params.segments.columns
    if unknown := set(columns) - set(shared):
        raise IncomparableError(f"replay.segments.columns: no model has {sorted(unknown)}")
    return tuple(segments(found, columns, params.segments.min_rows))


def _cost(
    champion: Door,
    candidate: Door,
    schemas: tuple[FeatureSchema, FeatureSchema],
    both: Sequence[Row],
    asked: Asked,
    params: Replay,
) -> tuple[tuple[Times, Times] | None, tuple[float, float] | None, str]:
    """Times and peaks; of a candidate that was given up there are none."""
    if asked.gone or not both:
        return None, None, asked.gone
    try:
        times = measure((champion, candidate), schemas, both, params.latency.requests)
        return times, (champion.peak_mb(), candidate.peak_mb()), ""
    except BrokenDoorError as error:
        return None, None, f"{error}, at one row at a time"

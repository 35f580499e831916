"""The power fails at many instants: is all that was answered before still there?

For each instant of a trace the disk is rebuilt as it must be at least (only what was synced), and
as it may be (any sectors of the rest), opened, and compared with what had been answered.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.faults.compare import Verdict
from benchmarks.faults.lost_writes import Disk
from benchmarks.faults.requests import make_request, number_of
from benchmarks.faults.stored import Stored, spooled_rows
from benchmarks.faults.syscalls import Call

SAMPLES = 8
VARIANTS = 2  # disks on which something unsynced survives, for each instant
_ANSWER = re.compile(rb'\{"prediction":.*?"model_version":"[^"]*"\}')
_ROWS = """SELECT prediction_id, event_time, model_version, features, prediction, probability
           FROM predictions"""


@dataclass
class Findings:
    """What the rebuilt disks showed.

    Attributes:
        broken: disks that SQLite found corrupt.
        spooled: acknowledged rows that only the spool held, over all disks.
        samples: some disks, each with the ids that had been answered.
    """

    cuts: int = 0
    disks: int = 0
    broken: int = 0
    spooled: int = 0
    samples: list[tuple[dict[str, bytes], set[str]]] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)


@dataclass
class Expected:
    """Answers so far by prediction id; `sound` are stored rows that were looked at before."""

    answers: dict[str, tuple[Any, float, str]] = field(default_factory=dict)
    sound: set[Stored] = field(default_factory=set)

    def note(self, call: Call) -> bool:
        """Take the answers that a call sends; whether it has any."""
        found = _ANSWER.findall(b"".join(call.texts)) if call.path.startswith("socket") else []
        for text in found:
            answer = json.loads(text)
            columns = (answer["prediction_id"], answer["prediction"], answer["probability"])
            for prediction_id, label, chance in zip(*columns, strict=True):
                self.answers[prediction_id] = (label, chance, answer["model_version"])
        return bool(found)


def cut_everywhere(
    calls: Sequence[Call], disk: Disk, database: Path, spool: Path, cuts: int,
    rng: np.random.Generator, scratch: Path,
) -> Findings:  # fmt: skip
    """Cut at many instants, half of them right after an answer, and judge each disk.

    Args:
        disk: as it was before the first call.
        database, spool: their places on that disk.
        scratch: an empty directory, where disks are rebuilt.
    """
    chosen = choose_cuts(calls, cuts, rng)
    expected, findings = Expected(), Findings()
    with tqdm(total=len(chosen), desc="cuts", unit="cut", leave=False) as bar:
        for index, call in enumerate(calls):
            disk.follow(call)
            expected.note(call)
            if index not in chosen:
                continue
            findings.cuts += 1
            for kept in (None, *[rng] * VARIANTS):
                files = disk.after_cut(kept)
                _judge(files, expected, findings, (database, spool), scratch)
            if findings.cuts % max(1, len(chosen) // SAMPLES) == 0:
                findings.samples.append((files, set(expected.answers)))
            bar.update()
    findings.verdict.acknowledged = len(expected.answers)
    return findings


def choose_cuts(calls: Sequence[Call], cuts: int, rng: np.random.Generator) -> set[int]:
    """Indices of the calls after which the power fails."""
    probe = Expected()
    answers = [index for index, call in enumerate(calls) if probe.note(call)]
    if not answers:
        return set()
    after = rng.permutation(answers)[: cuts // 2].tolist()
    others = sorted(set(range(answers[0], len(calls))) - set(after))
    return {*after, *rng.permutation(others)[: cuts - len(after)].tolist()}


def _judge(
    files: Mapping[str, bytes], expected: Expected, findings: Findings,
    places: tuple[Path, Path], scratch: Path,
) -> None:  # fmt: skip
    """Rebuild one disk and compare what it holds with what was answered."""
    findings.disks += 1
    database, spool = places
    here = scratch / "perennial.db"
    for ending in ("", "-wal", "-shm"):
        Path(f"{here}{ending}").unlink(missing_ok=True)
        if f"{database}{ending}" in files:
            Path(f"{here}{ending}").write_bytes(files[f"{database}{ending}"])
    try:
        stored = set(database_rows(here))
    except sqlite3.DatabaseError:
        findings.broken += 1
        stored = set()
    segments = {name: data for name, data in files.items() if name.startswith(f"{spool}/")}
    waiting = set(spooled_rows(segments))
    _compare(stored, waiting - stored, expected, findings)


def database_rows(path: Path) -> list[Stored]:
    """Every row of predictions, after SQLite has recovered what its log holds.

    Raises:
        sqlite3.DatabaseError: it is corrupt.
    """
    with closing(sqlite3.connect(path)) as connection:
        problem = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
        return [
            Stored(one[0], number_of(datetime.fromisoformat(one[1]).replace(tzinfo=UTC)), *one[2:])
            for one in connection.execute(_ROWS)
        ]


def _compare(
    stored: set[Stored], waiting: set[Stored], expected: Expected, findings: Findings
) -> None:
    verdict = findings.verdict
    ids = {row.prediction_id for row in stored}
    spooled = {row.prediction_id for row in waiting} - ids
    verdict.duplicated += len(stored) - len(ids)
    verdict.lost += len(expected.answers.keys() - ids - spooled)
    findings.spooled += len(spooled & expected.answers.keys())
    for row in (stored | waiting) - expected.sound:
        answer = expected.answers.get(row.prediction_id)
        torn = json.loads(row.features) not in make_request(row.number).rows
        if answer is not None:
            torn = torn or (json.loads(row.prediction), row.probability) != answer[:2]
            verdict.mismatched += row.version != answer[2]
            if not torn:
                expected.sound.add(row)
        verdict.torn += torn

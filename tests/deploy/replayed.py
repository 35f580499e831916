"""Hand-written stand-ins for a replayed process, and snapshots to put to them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from contracts.bundle import Bundle, load_bundle
from contracts.replay_params import Replay
from deploy.replaying.compare import Compared, Side
from deploy.replaying.door import BrokenDoorError, Reply
from deploy.replaying.report import Replayed, as_figures
from deploy.replaying.rows import Snapshot, read_snapshot, write_snapshot
from deploy.replaying.verdict import judge
from deploy.snapshot import table_records
from service.answer.predictor import READERS
from tests.bundles import make_rows, make_schema

QUICK = Replay.model_validate({"min_rows": 20, "latency": {"requests": 20}})
Instance = dict[str, Any]
NAMES = Replayed("champion:1", "candidate:1", "sha256:a", "sha256:b", "v1", "v2")


class CrashError(Exception):
    """A fake's model fails at a row."""


@dataclass
class FakeDoor:
    """A service that answers by a bundle's model; each of its faults is a function.

    Attributes:
        change: of a row, before the model sees it; raises CrashError to answer 500.
        kills: whether the process ends at a row.
        slow_ms: longer that a request takes.
        mb: peak memory.
    """

    bundle: Bundle
    change: Callable[[Instance], Instance] = lambda row: row
    kills: Callable[[Instance], bool] = lambda row: False
    refuses: Callable[[Sequence[Instance]], bool] = lambda rows: False
    slow_ms: float = 0
    mb: float = 100
    starts: int = 1
    runs: bool = True
    asked: list[Sequence[Instance]] = field(default_factory=list)

    def ask(self, method: str, path: str, body: str | None = None) -> Reply:
        assert (method, path, self.runs) == ("POST", "/predict", True)
        rows = json.loads(body or "")["instances"]
        self.asked.append(rows)
        if any(self.kills(row) for row in rows):
            self.runs = False
            raise BrokenDoorError("the process ended while it was asked")
        if self.refuses(rows):
            return Reply(503, 0.001, json.dumps({"detail": "too much at once"}))
        try:
            said = self._answer([self.change(row) for row in rows])
        except CrashError as error:
            return Reply(500, 0.001, json.dumps({"detail": str(error)}))
        return Reply(200, 0.001 + self.slow_ms / 1000, json.dumps(said))

    def _answer(self, rows: list[Instance]) -> dict[str, Any]:
        schema = self.bundle.schema
        columns = {name: [row.get(name) for row in rows] for name in schema.names}
        read = READERS[schema.target.task](
            schema.target, np.asarray(self.bundle.model().answers_of(columns))
        )
        return {"prediction": read.prediction, "probability": read.probability,
                "model_version": self.bundle.version}  # fmt: skip

    def mend(self) -> None:
        self.starts += 1
        self.runs = True

    def last_words(self) -> str:
        return "Traceback\nIllegal instruction"

    def peak_mb(self) -> float:
        return self.mb


def make_side(directory: Path, **faults: Any) -> Side:
    bundle = load_bundle(directory)
    return Side(FakeDoor(bundle, **faults), bundle)


def make_snapshot(
    path: Path, rows: int = 300, *, seed: int = 7, new_category_at: int | None = None
) -> Snapshot:
    """Rows of tests/bundles.py with outcomes; one may have a carrier that nobody has seen."""
    frame = make_rows(seed, rows)
    if new_category_at is not None:
        frame.loc[new_category_at, "carrier"] = "ZZ"
    write_snapshot(path, table_records(frame, make_schema(), rows))
    return read_snapshot(path)


def figures_of(found: Compared, snapshot: Snapshot, params: Replay = QUICK) -> dict[str, Any]:
    return as_figures(NAMES, snapshot, found, judge(found, params), params.worst)

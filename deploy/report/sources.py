"""The files that the report's numbers come from, and the command that makes each of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml


class ReportError(RuntimeError):
    """There is nothing to report on, or nothing to print it with; the message says the remedy."""


@dataclass(frozen=True)
class Source:
    """A file, what makes it and what the report takes from it."""

    path: str
    made_by: str
    gives: str
    needed: bool = True


REPRO = "make repro"
SOURCES: Mapping[str, Source] = {
    "params": Source("params.yaml", "a person", "what was asked of the pipeline"),
    "lock": Source("dvc.lock", REPRO, "stages, their files and sizes"),
    "pipeline": Source("dvc.yaml", "a person", "the order of the stages"),
    "compose": Source("docker-compose.yml", "a person", "the services"),
    "prepared": Source("build/prepared.parquet", REPRO, "the rows that models learn from"),
    "golden": Source("build/golden.parquet", REPRO, "the rows that only judge"),
    "holdout": Source("build/holdout.parquet", REPRO, "the held-out rows and their answers"),
    "schema": Source("build/schema.json", REPRO, "columns and their ranges"),
    "counts": Source("build/prepare.json", REPRO, "rows before and after preparation"),
    "validation": Source("build/validation.json", REPRO, "what was wrong with the table"),
    "search": Source("build/search.csv", REPRO, "the candidates and their scores"),
    "chosen": Source("build/chosen.json", REPRO, "the choice among the candidates"),
    "metrics": Source("build/metrics.json", REPRO, "how good the model is"),
    "roc": Source("build/roc.csv", REPRO, "the curve of hits and false alarms"),
    "calibration": Source("build/calibration.csv", REPRO, "promised and true shares"),
    "segments": Source("build/segments.csv", REPRO, "where the model is weakest"),
    "importance": Source("build/importance.csv", REPRO, "what the answers hang on"),
    "gate": Source("build/gate.json", REPRO, "the verdict on the bundle"),
    "replay": Source("benchmarks/results/replay.json", "make replay UNTIL=2014-01-01",
                     "the months of live traffic", needed=False),
    "drift": Source("benchmarks/results/bench-drift.json", "make bench-drift",
                    "false alarms and changes found", needed=False),
}  # fmt: skip

Contents = dict[str, Any]


def read_sources(root: Path) -> Contents:
    """What each file holds, by the names of SOURCES; None = it is not there.

    Raises:
        ReportError: an output of the pipeline is missing.
    """
    found = {name: _read(root / source.path) for name, source in SOURCES.items()}
    for name, source in SOURCES.items():
        if found[name] is None and source.needed:
            raise ReportError(f"{source.path} is missing; `{source.made_by}` makes it")
    return found


def _read(path: Path) -> Any:
    if not path.exists():
        return None
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".csv":
        return pd.read_csv(path)
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)

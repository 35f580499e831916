"""The throw-away copy that a drill runs in: a clone with small parameters, trained, registered."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Engine

from contracts.bundle import load_bundle
from contracts.database import write_transaction
from contracts.registry import promote, register
from contracts.schema import FeatureSchema
from contracts.settings import Settings
from deploy.local import free_port
from monitoring.working_copy import WorkingCopy, working_copy

RULES = Path("monitoring/prometheus/rules.yml")
WHOLE = {"candidates", "gates"}  # sections that an overlay replaces
SECONDS = 600  # a training of the copy
# One month of flights, a cheap recipe, no season's patience: what a drill asks is whether the links
# hold, not how good a model is.
SMALL: Mapping[str, Any] = {
    # Outcomes that turn into their opposite are what golden rows are there to refuse.
    "data": {"until": "2013-02-01", "golden": None},
    "train": {
        "calibration": ["none"],
        "max_rows": 4000,
        "search": {"iterations": 1, "folds": 2, "max_rows": 3000, "prefer": "simplest"},
        "candidates": {"logistic_regression": {"C": [0.1]}},
    },
    "evaluate": {"holdout_days": 14, "folds": 2, "bootstrap": 20},
    "gates": {},
    "package": {"reference_rows": 2000, "parity_rows": 1000},
    "monitoring": {
        "schedule": "0 0 29 2 *",  # the drill runs the checks itself, on its own clock
        "recalibrate": None,
        "promotion": {"mode": "automatic"},  # whatever a canary or a person would say later
        "policy": {
            "min_outcome_days": 14,
            "cooldown_days": 28,
            "debounce_checks": 1,
            "retrain_every_days": None,
            "retrain_every_outcomes": None,
        },
        "gate": {"min_days": 7, "min_rows": 500},
        # By outcomes alone: where the world is turned upside down, a right answer is the opposite.
        "probation": {
            "days": 28,
            "min_days": 7,
            "mature_hours": 8,
            "max_t": 2.0,
            "shift": None,
            "estimate": None,
        },
    },
}
# So few rows that it learns them by heart, and is sure of it.
BAD = {"train": {"max_rows": 200, "candidates": {"logistic_regression": {"C": [10000.0]}}}}


@contextmanager
def copied(project: Path, directory: Path, cache: Path | None) -> Iterator[WorkingCopy]:
    """A clone in `directory`, removed at the end.

    Args:
        cache: where DVC keeps what stages made; a later drill with the same need not make it
            again. None = in the clone.

    Raises:
        CommandError: no git repository, or git or DVC is not installed.
    """
    log = directory.with_name("training.log")
    with working_copy(project, directory, log, threading.Event()) as copy:
        own = copy.directory / ".dvc" / "cache"
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
            own.symlink_to(cache.resolve())
        copy.run("dvc", "cache", "dir", "--local", str(own))
        yield copy


def lay_over(params_file: Path, *overlays: Mapping[str, Any]) -> None:
    """Write overlays into params.yaml, key by key; those of WHOLE at once."""
    params = yaml.safe_load(params_file.read_text())
    for overlay in overlays:
        params = _merge(params, overlay)
    params_file.write_text(yaml.safe_dump(params, sort_keys=False))


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if nested and key not in WHOLE else value
    return merged


def settings_in(home: Path, project: Path, alert_urls: str, cut: Mapping[str, Any]) -> Settings:
    """Everything of its own: database, directories, port."""
    own = {
        "database_url": f"sqlite:///{home}/perennial.db",
        "bundles_dir": home / "bundles",
        "reports_dir": home / "reports",
        "work_dir": home / "retrains",
        "spool_dir": home / "spool",
        "metrics_dir": home / "metrics",
        "project_dir": project,
        "params_file": project / "params.yaml",
        "port": free_port(),
        "workers": 1,
        "access": "closed",
        "access_log": False,
        "alert_urls": alert_urls,
    }
    return Settings(_env_file=None, **{**own, **cut})


def drop_rules(rules: Path) -> None:
    """Leave a file of rules without any."""
    rules.write_text(yaml.safe_dump({"groups": []}))


def train_first(
    copy: WorkingCopy, engine: Engine, settings: Settings, now: datetime
) -> FeatureSchema:
    """Train in the copy and make what came out the first champion; its schema.

    Raises:
        CommandError: a stage failed.
    """
    copy.run("dvc", "repro", deadline_seconds=SECONDS)
    made = {"made_at": datetime.now(UTC).isoformat(), "host": "drill"}
    bundle = copy.directory / "build" / "bundle"
    version = register(engine, settings.bundles_dir, bundle, now, made)
    with write_transaction(engine) as connection:
        promote(connection, version, actor="make drill", reason="the first bundle", now=now)
    return load_bundle(bundle).schema

"""What asks for a retrain in GitHub Actions, of a stand-in on a real socket."""

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contracts.bundle import save_bundle
from contracts.settings import Settings
from monitoring.patience import Patience, patience
from tests.monitoring.conftest import World
from tests.monitoring.github_server import REPOSITORY, RUN_ID, TOKEN, Server, github_server

NOW = datetime(2013, 3, 1, tzinfo=UTC)
URL = f"https://github.com/{REPOSITORY}/actions/runs/{RUN_ID}"
IGNORED: Callable[[str], None] = lambda _url: None  # noqa: E731
PAYLOAD = {"retrain_id": "r-1", "reason": "drill", "champion": "v1", "until": NOW.isoformat()}
DISPATCH = f"POST /repos/{REPOSITORY}/dispatches"


@pytest.fixture
def server() -> Iterator[Server]:
    with github_server() as found:
        yield found


def settings_of(server: Server, directory: Path, **changes: Any) -> Settings:
    given = {
        "github_repository": REPOSITORY, "github_token": TOKEN, "github_api": server.url,
        "work_dir": directory / "work", **changes,
    }  # fmt: skip
    return Settings(_env_file=None, **given)


def long() -> Patience:
    return patience(1, threading.Event(), threading.Event())


def archive(bundle: Path, holdout: pd.DataFrame) -> bytes:
    """What the workflow uploads."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for path in bundle.iterdir():
            target.write(path, f"bundle/{path.name}")
        target.writestr("holdout.parquet", holdout.to_parquet())
    return packed.getvalue()


@pytest.fixture
def challenger(world: World, february: pd.DataFrame, tmp_path: Path) -> bytes:
    """Another model's bundle, whose recipe was right on every day of February."""
    content = {name: data for name, data in world.bundle.files.items() if name != "manifest.json"}
    content["model_card.md"] = b"# Trained elsewhere\n"
    facts = {"trained_from": "2013-01-01T00:00:00+00:00", "trained_until": NOW.isoformat()}
    save_bundle(tmp_path / "made", content, facts)
    known = february[february.late.notna()].reset_index(drop=True)
    right = known.late.clip(0.05, 0.95)
    no, yes = world.bundle.schema.answers
    return archive(tmp_path / "made", known.assign(**{no: 1 - right, yes: right}))

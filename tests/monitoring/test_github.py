"""A retrain in GitHub Actions, against a stand-in that speaks HTTP on a real socket."""

import io
import json
import logging
import re
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from sqlalchemy import select, update

from contracts.bundle import load_bundle, save_bundle
from contracts.database import write_transaction
from contracts.params import Params, load_params
from contracts.registry import champion
from contracts.settings import Settings
from contracts.tables import leases, retrains
from monitoring import snapshot
from monitoring.attempts import recover
from monitoring.challenge import BUNDLE, HOLDOUT
from monitoring.github import EVENT, Github, GithubError, connect
from monitoring.patience import Patience, PatienceLostError, patience
from monitoring.remote import trained_remotely
from monitoring.retrain import run_retrain
from monitoring.snapshot import write_snapshot
from monitoring.triggers import of_person
from tests.monitoring.conftest import World
from tests.monitoring.github_server import (
    REPOSITORY,
    RUN_ID,
    TOKEN,
    Answer,
    Server,
    github_server,
)

WORKFLOW = Path(".github/workflows/retrain.yml")
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


def github_params() -> Params:
    params = load_params(Path("params.yaml"))
    retrain = params.monitoring.retrain.model_copy(update={"mode": "github"})
    update = {"retrain": retrain, "recalibrate": None}
    monitoring = params.monitoring.model_copy(update=update)
    return params.model_copy(update={"monitoring": monitoring})


def retrain_there(world: World, settings: Settings) -> Any:
    own = {"bundles_dir": world.bundles, "reports_dir": world.reports}
    settings = settings.model_copy(update=own)
    asked = of_person("a person asks", NOW)
    outcome = run_retrain(world.engine, settings, github_params(), lambda: NOW, asked)
    with world.engine.connect() as connection:
        row = connection.execute(select(retrains)).one()
        until = connection.execute(
            select(leases.c.expires_at).where(leases.c.name == "retrain")
        ).scalar_one()
    assert until < datetime.now(UTC) - timedelta(days=1)  # given back
    return outcome, row


def test_a_run_that_trains_a_better_model_leads_to_its_promotion(
    world: World, server: Server, challenger: bytes, tmp_path: Path
) -> None:
    server.archive = challenger
    server.polls = 0
    outcome, row = retrain_there(world, settings_of(server, tmp_path))

    assert (outcome.state, row.state) == ("promoted", "promoted"), outcome.reason
    assert json.loads(row.verdict)["run_url"] == URL
    with world.engine.connect() as connection:
        current = champion(connection)
    assert current is not None
    assert current.version == outcome.challenger != world.bundle.version
    assert load_bundle(world.bundles / current.version).files["model_card.md"].startswith(b"# Tra")
    (sent,) = server.dispatches
    assert sent["event_type"] == "perennial-retrain"
    assert sent["client_payload"] == {
        "retrain_id": row.retrain_id, "reason": "a person asks",
        "champion": world.bundle.version,
        "until": (NOW - timedelta(days=1)).isoformat(),  # what is mature
    }  # fmt: skip
    assert server.tokens == {f"Bearer {TOKEN}"}
    assert server.elsewhere == [None]
    assert not (tmp_path / "work" / row.retrain_id).exists()


def test_a_retrain_whose_process_died_keeps_the_address_of_its_run(
    world: World, server: Server, tmp_path: Path
) -> None:
    server.polls, server.conclusion = 0, "failure"
    _, row = retrain_there(world, settings_of(server, tmp_path))
    alive = {"state": "started", "finished_at": None, "verdict": json.dumps({"run_url": URL})}
    with write_transaction(world.engine) as connection:  # as while it followed the run
        connection.execute(update(retrains).values(alive))

    assert recover(world.engine, NOW, datetime.now(UTC)) == [row.retrain_id]
    with world.engine.connect() as connection:
        buried = connection.execute(select(retrains)).one()
    assert buried.state == "failed"
    assert json.loads(buried.verdict)["run_url"] == URL


def test_a_run_that_failed_is_a_failed_retrain_with_its_address(
    world: World, server: Server, tmp_path: Path
) -> None:
    server.polls, server.conclusion = 0, "failure"
    outcome, row = retrain_there(world, settings_of(server, tmp_path))

    assert (outcome.state, row.state) == ("failed", "failed")
    assert json.loads(row.verdict) == {
        "error": f"the run ended with 'failure': {URL}", "run_url": URL,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "does not accept the token: make a new fine-grained one with Contents"),
        (403, "the token may not do this: give it Contents: read and write"),
        (404, "see PERENNIAL_GITHUB_REPOSITORY"),
        (422, "is .github/workflows/retrain.yml on the default branch"),
        (418, "GitHub refuses the request"),
    ],
)
def test_a_refusal_is_a_sentence_with_its_remedy(
    server: Server, tmp_path: Path, status: int, remedy: str
) -> None:
    server.instead[DISPATCH] = [Answer(status)]
    with pytest.raises(GithubError, match=remedy) as refused:
        with trained_remotely(settings_of(server, tmp_path), PAYLOAD, IGNORED, long(), 0.01):
            pass

    assert f"answered {status}" in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500),
        Answer(503),
        Answer(429),
        Answer(403, {"Retry-After": "0"}),
        Answer(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}),
    ],
    ids=["500", "503", "429", "secondary limit", "limit"],
)
def test_what_passes_by_itself_is_tried_again(
    server: Server, tmp_path: Path, answer: Answer
) -> None:
    server.instead[DISPATCH] = [answer, answer]
    with connect(settings_of(server, tmp_path)) as http:
        Github(http, REPOSITORY, long(), first_pause=0.01).dispatch(PAYLOAD)

    assert len(server.dispatches) == 1
    assert server.asked == [DISPATCH] * 3


def test_a_rate_limit_is_waited_for_as_long_as_there_is_patience(
    server: Server, tmp_path: Path
) -> None:
    in_an_hour = str(int(time.time()) + 3600)
    limit = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": in_an_hour}
    server.instead[DISPATCH] = [Answer(403, limit)]
    short = patience(0.005, threading.Event(), threading.Event())
    with connect(settings_of(server, tmp_path)) as http:
        with pytest.raises(PatienceLostError, match="took more than 0.005 minutes"):
            Github(http, REPOSITORY, short).dispatch(PAYLOAD)

    assert server.asked == [DISPATCH]


def test_nobody_there_is_asked_again_until_the_deadline(server: Server, tmp_path: Path) -> None:
    gone = settings_of(server, tmp_path, github_api="http://127.0.0.1:9")
    short = patience(0.005, threading.Event(), threading.Event())
    with pytest.raises(PatienceLostError, match="took more"):
        with trained_remotely(gone, PAYLOAD, IGNORED, short, 0.01):
            pass


def test_a_run_is_followed_to_its_end(server: Server, tmp_path: Path, challenger: bytes) -> None:
    server.polls, server.archive = 4, challenger
    urls: list[str] = []
    with trained_remotely(
        settings_of(server, tmp_path), PAYLOAD, urls.append, long(), 0.01
    ) as made:
        assert (made / "bundle" / "manifest.json").exists()
        assert urls == [URL]

    assert server.asked.count(f"GET /repos/{REPOSITORY}/actions/runs/{RUN_ID}") == 4
    assert not made.exists()


@pytest.mark.parametrize(
    ("stopped", "why"), [(True, "its process was asked to end"), (False, "took more than")]
)
def test_a_run_that_is_given_up_is_asked_to_end(
    server: Server, tmp_path: Path, stopped: bool, why: str
) -> None:
    server.polls = 10**6
    stop = threading.Event()
    urls: list[str] = []
    if stopped:
        threading.Timer(0.3, stop.set).start()
    short = patience(1 if stopped else 0.01, stop, threading.Event())
    with pytest.raises(PatienceLostError, match=f"{why}.*{URL}.*it was asked to end"):
        with trained_remotely(settings_of(server, tmp_path), PAYLOAD, urls.append, short, 0.01):
            pass

    assert server.asked[-1] == f"POST /repos/{REPOSITORY}/actions/runs/{RUN_ID}/cancel"
    assert urls == [URL]


def test_a_lost_lease_ends_the_waiting(server: Server, tmp_path: Path) -> None:
    server.polls, lost = 10**6, threading.Event()
    lost.set()
    with pytest.raises(PatienceLostError, match="another process has taken its lease"):
        with trained_remotely(
            settings_of(server, tmp_path), PAYLOAD, IGNORED,
            patience(1, threading.Event(), lost), 0.01,
        ):  # fmt: skip
            pass


def test_a_run_that_never_appears_is_told_with_its_likely_causes(
    server: Server, tmp_path: Path
) -> None:
    server.hides_run = True
    clock = iter(range(0, 10**9, 60))
    quick = Patience(10**9, 60, threading.Event(), threading.Event(), lambda: float(next(clock)))
    with pytest.raises(GithubError, match="is .github/workflows/retrain.yml on the default"):
        with trained_remotely(settings_of(server, tmp_path), PAYLOAD, IGNORED, quick, 0.0):
            pass


@pytest.mark.parametrize(
    ("archived", "why"),
    [
        (None, "has left no artifact 'retrain-r-1'"),
        (b"no archive", "is no archive"),
        ("empty", "holds no bundle"),
    ],
)
def test_an_artifact_of_no_use_is_told(
    server: Server, tmp_path: Path, archived: Any, why: str
) -> None:
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    server.polls, server.archive = 0, packed.getvalue() if archived == "empty" else archived
    with pytest.raises(GithubError, match=why):
        with trained_remotely(settings_of(server, tmp_path), PAYLOAD, IGNORED, long(), 0.01):
            pass


def test_an_archive_cannot_write_outside_its_directory(server: Server, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("../../outside", "x")
        target.writestr("bundle/a", "x")
        target.writestr("holdout.parquet", "x")
    server.polls, server.archive = 0, packed.getvalue()
    with trained_remotely(settings_of(server, tmp_path), PAYLOAD, IGNORED, long(), 0.01):
        assert not (tmp_path / "outside").exists()
        assert not (tmp_path / "work" / "outside").exists()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"github_repository": "model"}, "PERENNIAL_GITHUB_REPOSITORY to owner/name"),
        ({"github_token": ""}, "PERENNIAL_GITHUB_TOKEN, or PERENNIAL_GITHUB_TOKEN_FILE"),
        ({"github_token": "", "github_token_file": "/nowhere"}, "No such file .*: /nowhere"),
    ],
)
def test_a_missing_setting_is_named(
    server: Server, tmp_path: Path, changes: dict[str, str], why: str
) -> None:
    with pytest.raises(GithubError, match=why):
        connect(settings_of(server, tmp_path, **changes))


def test_something_else_than_github_is_told(server: Server, tmp_path: Path) -> None:
    server.instead[f"GET /repos/{REPOSITORY}/actions/runs"] = [Answer(200, text="<html>")]
    with pytest.raises(GithubError, match="is PERENNIAL_GITHUB_API the address"):
        with trained_remotely(settings_of(server, tmp_path), PAYLOAD, IGNORED, long(), 0.01):
            pass


def test_the_token_may_lie_in_a_file_and_is_nowhere_told(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    changes = {"github_token": "", "github_token_file": str(tmp_path / "token")}
    settings = settings_of(server, tmp_path, **changes)
    server.instead[DISPATCH] = [Answer(500), Answer(401)]
    with caplog.at_level(logging.DEBUG), connect(settings) as http:
        with pytest.raises(GithubError):
            Github(http, REPOSITORY, long(), first_pause=0.01).dispatch(PAYLOAD)

    assert server.tokens == {f"Bearer {TOKEN}"}
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(settings_of(server, tmp_path))


def test_the_workflow_and_its_dispatcher_agree(server: Server) -> None:
    text = WORKFLOW.read_text()
    workflow = yaml.safe_load(text)
    assert workflow[True] == {"repository_dispatch": {"types": [EVENT]}}  # YAML reads `on` so
    assert "client_payload.retrain_id" in workflow["run-name"]
    used = set(re.findall(r"client_payload\.(\w+)", text))
    assert used <= PAYLOAD.keys()
    (upload,) = (
        step["with"] for step in workflow["jobs"]["train"]["steps"]
        if "upload-artifact" in step.get("uses", "")
    )  # fmt: skip
    assert upload["name"].startswith("retrain-")
    assert upload["path"].split() == [str(BUNDLE), str(HOLDOUT)]


def test_outcomes_are_frozen_by_a_command(
    world: World, february: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    world.answer(february)
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", str(world.engine.url))
    monkeypatch.setattr(
        sys, "argv", ["snapshot", "--until", NOW.isoformat(), "--directory", str(tmp_path / "o")]
    )
    snapshot.main()

    told = Path(capsys.readouterr().out.strip())
    with world.engine.connect() as connection:
        as_here = write_snapshot(connection, world.bundle.schema, NOW, tmp_path / "here")
    assert told.read_bytes() == as_here.read_bytes()

"""What GitHub refuses is a sentence with its remedy, and what passes by itself is tried again."""

import logging
import threading
import time
from pathlib import Path

import pytest

from monitoring.github import Github, GithubError, connect
from monitoring.patience import PatienceLostError, patience
from monitoring.remote import trained_remotely
from tests.monitoring.github_retrains import DISPATCH, IGNORED, PAYLOAD, long, server, settings_of
from tests.monitoring.github_server import REPOSITORY, TOKEN, Answer, Server

__all__ = ["server"]


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

"""The few calls of GitHub's API that a retrain in its Actions needs.

What may pass by itself (5xx, rate limits, a broken connection) is tried again with back-off, as
long as there is patience; everything else is told in a sentence with its remedy. Never the token.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from contracts.settings import Settings
from monitoring.patience import Patience

EVENT = "perennial-retrain"  # what .github/workflows/retrain.yml listens to
VERSION = "2022-11-28"  # of the API
TIMEOUT_SECONDS = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LISTED = 50
RIGHTS = "Contents: read and write, and Actions: read and write"


class GithubError(RuntimeError):
    """GitHub cannot be asked, or has refused; the message says what to do."""


@dataclass(frozen=True)
class Run:
    """A workflow run; `conclusion` is None until it has ended."""

    run_id: int
    url: str
    conclusion: str | None


@dataclass(frozen=True)
class Github:
    """One repository.

    Args:
        repository: owner/name.
        clock: seconds since 1970, as rate limits are told.
        first_pause: seconds, of the back-off.
    """

    http: httpx.Client
    repository: str
    patience: Patience
    clock: Callable[[], float] = time.time
    first_pause: float = FIRST_PAUSE

    def dispatch(self, payload: dict[str, str]) -> None:
        """Fire the event that starts the workflow.

        Raises:
            GithubError, PatienceLostError: here and below.
        """
        self._ask("POST", "dispatches", json={"event_type": EVENT, "client_payload": payload})

    def find_run(self, name: str) -> Run | None:
        """The newest run of the event whose name holds `name`; None = there is none yet."""
        query = {"event": "repository_dispatch", "per_page": LISTED}
        found = self._read("actions/runs", params=query)
        return next(
            (_run(each) for each in found["workflow_runs"] if name in each["display_title"]), None
        )

    def read_run(self, run_id: int) -> Run:
        return _run(self._read(f"actions/runs/{run_id}"))

    def cancel_run(self, run_id: int) -> bool:
        """Ask a run to end, once; whether GitHub has taken the wish."""
        try:
            answer = self.http.post(self._path(f"actions/runs/{run_id}/cancel"))
        except httpx.TransportError:
            return False
        return answer.is_success

    def download(self, run_id: int, name: str, path: Path, most_bytes: int) -> None:
        """Write an artifact's archive.

        Raises:
            GithubError: also that the run has left none, or a larger one.
        """
        query = {"name": name, "per_page": 1}
        found = self._read(f"actions/runs/{run_id}/artifacts", params=query)
        if not found["artifacts"]:
            raise GithubError(f"the run has left no artifact {name!r}; see its upload step")
        artifact = found["artifacts"][0]
        if artifact["size_in_bytes"] > most_bytes:
            raise GithubError(
                f"the artifact {name!r} has {artifact['size_in_bytes']:,} bytes; "
                f"{most_bytes:,} are taken"
            )
        archive = self._ask("GET", f"actions/artifacts/{artifact['id']}/zip")
        path.write_bytes(archive.content)

    def _path(self, rest: str) -> str:
        return f"/repos/{self.repository}/{rest}"

    def _read(self, rest: str, **request: Any) -> dict[str, Any]:
        answer = self._ask("GET", rest, **request)
        try:
            found: dict[str, Any] = answer.json()
        except ValueError:
            raise GithubError(
                f"{answer.request.url.host} answers something else than JSON: "
                "is PERENNIAL_GITHUB_API the address of GitHub's API?"
            ) from None
        return found

    def _ask(self, method: str, rest: str, **request: Any) -> httpx.Response:
        pause = self.first_pause
        while True:
            try:
                answer = self.http.request(method, self._path(rest), **request)
            except httpx.TransportError:  # nobody there, or cut off
                wait = pause
            else:
                if answer.is_success:
                    return answer
                waits = self._waits(answer, pause)
                if waits is None:
                    raise GithubError(_told(answer, self.repository))
                wait = waits
            self.patience.pause(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _waits(self, answer: httpx.Response, pause: float) -> float | None:
        """Seconds until it is worth asking again; None = it never is."""
        headers = answer.headers
        if answer.status_code in {403, 429}:
            if (after := headers.get("retry-after", "")).isdigit():
                return float(after)
            if headers.get("x-ratelimit-remaining") == "0":
                reset = headers.get("x-ratelimit-reset", "")
                return max(float(reset) - self.clock(), pause) if reset.isdigit() else pause
        return pause if answer.status_code >= 500 or answer.status_code == 429 else None


def connect(settings: Settings) -> httpx.Client:
    """A connection to the API, to be closed.

    Raises:
        GithubError: a setting is missing, or the token's file cannot be read.
    """
    if settings.github_repository.count("/") != 1:
        raise GithubError(
            "monitoring.retrain.mode is github: set PERENNIAL_GITHUB_REPOSITORY to owner/name"
        )
    token = settings.github_token or _read_token(settings.github_token_file)
    if not token:
        raise GithubError(
            "monitoring.retrain.mode is github: set PERENNIAL_GITHUB_TOKEN, or "
            "PERENNIAL_GITHUB_TOKEN_FILE, to a fine-grained token of the repository with "
            f"{RIGHTS}"
        )
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": VERSION,
    }
    return httpx.Client(
        base_url=settings.github_api,
        headers=headers,
        timeout=TIMEOUT_SECONDS,
        follow_redirects=True,  # an archive lies elsewhere; there httpx leaves the token out
    )


def _read_token(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise GithubError(f"PERENNIAL_GITHUB_TOKEN_FILE: {error.strerror}: {path}") from None


def _run(found: dict[str, Any]) -> Run:
    ended = found["status"] == "completed"
    return Run(found["id"], found["html_url"], found["conclusion"] if ended else None)


def _told(answer: httpx.Response, repository: str) -> str:
    """What a refusal means and what to do about it."""
    remedies = {
        401: f"GitHub does not accept the token: make a new fine-grained one with {RIGHTS}",
        403: f"the token may not do this: give it {RIGHTS} of {repository}",
        404: f"GitHub shows this token no such thing in {repository}: see "
        f"PERENNIAL_GITHUB_REPOSITORY, and whether the token is one for it with {RIGHTS}",
        422: "GitHub refuses the request: are Actions enabled, and is "
        ".github/workflows/retrain.yml on the default branch?",
    }
    remedy = remedies.get(answer.status_code, "GitHub refuses the request")
    path = answer.request.url.path
    return f"{remedy} ({answer.request.method} {path} was answered {answer.status_code})"

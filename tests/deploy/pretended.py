"""A host that only remembers: releases are names, and what they do is said by the test."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.rollout.compose import HostError

OLD, NEW, CHAMPION, CARRIED = "service:old", "service:new", "aaaaaaaaaaaa", "bbbbbbbbbbbb"
LOGGED = [[{"x": n}, int(n >= 50), n / 100] for n in range(100)]


class KilledError(BaseException):
    """The process ends here."""


@dataclass
class PretendedHost:
    """Counts up the requests of whoever is pointed at, a hundred at each look.

    Attributes:
        broken: calls that fail, by name.
        killed: the call at which the rollout's process ends.
        slow: p95 of the new release, seconds.
        scores: of the release on trial.
        done: what was called, in order.
    """

    broken: tuple[str, ...] = ()
    killed: str = ""
    slow: float = 0.05
    scores: list[float] = field(default_factory=lambda: [n / 100 for n in range(100)])
    running: dict[str, str] = field(default_factory=lambda: {"service": OLD})
    champion: str = CHAMPION
    remembered: str = OLD
    upstreams: tuple[str, str] = ("service", "service")
    done: list[str] = field(default_factory=list)
    requests: dict[str, float] = field(default_factory=lambda: {"service": 0.0, "next": 0.0})

    def _do(self, name: str) -> None:
        self.done.append(name)
        if name == self.killed:
            self.killed = ""
            raise KilledError
        if name in self.broken:
            raise HostError(f"{name} is broken")

    def fetch(self, image: str) -> None:
        self._do("fetch")

    def install(self, image: str) -> None:
        self._do("install")

    @contextmanager
    def trial(self, image: str, bundle: str | None) -> Iterator[str]:
        self._do("trial")
        self.running["trial"] = CARRIED if bundle is None else bundle
        try:
            yield "key"
        finally:
            del self.running["trial"]

    def trial_log(self) -> str:
        return ""

    def start_next(self, image: str) -> None:
        self._do("start_next")
        self.running["next"] = image

    def restart_service(self) -> None:
        self._do("restart_service")
        self.running["service"] = self.remembered

    def stop_next(self) -> None:
        assert "next" not in self.upstreams, "stopped while it answers"
        self._do("stop_next")
        self.running.pop("next", None)

    def containers(self, service: str) -> list[str]:
        return [service]

    def present_image(self) -> str:
        return self.running["service"]

    def pointed(self) -> tuple[str, str]:
        return self.upstreams

    def point(self, current: str, canary: str) -> None:
        for name in (current, canary):
            assert name in self.running, f"{name} cannot answer"
        self._do(f"point {current} {canary}")
        self.upstreams = (current, canary)

    def remember(self, image: str) -> None:
        self._do("remember")
        self.remembered = image

    def run(self, place: str, script: Path, *arguments: str, stdin: str = "", key: str = "") -> str:
        self._do(f"{script.stem} {place}")
        if script.stem == "recent_rows":
            return json.dumps({"version": self.champion, "rows": LOGGED})
        if script.stem == "answers":
            return json.dumps([[int(score >= 0.5), score] for score in self.scores])
        if script.stem == "smoke":
            return f"ok      version   {self.running.get('trial', self.champion)}\n"
        if script.stem == "registry":
            self.champion = arguments[1] if arguments[0] == "promote" else CHAMPION
            return ""
        return json.dumps(self._look(place))

    def _look(self, place: str) -> list[dict[str, Any]]:
        if place == "trial":
            return [{"name": "127.0.0.1", "ready": True, "problem": None}]
        for name in self.upstreams:
            self.requests[name] += 50
        return [self._replica(name) for name in ("service", "next") if name in self.running]

    def _replica(self, name: str) -> dict[str, Any]:
        count = self.requests[name]
        fast = count if name == "service" or self.slow <= 0.05 else 0.0
        buckets = {"0.05": fast, "0.5": fast, str(self.slow + 0.001): count}
        return {
            "name": name, "address": name, "ready": True, "problem": None,
            "version": self.champion, "process_start_time_seconds": 1.0, "requests": count,
            "errors": 0.0, "failures": 0.0, "buckets": buckets,
        }  # fmt: skip

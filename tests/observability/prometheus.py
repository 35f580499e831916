"""A real Prometheus with deploy/prometheus/prometheus.yml, made to look at other addresses."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.local import free_port

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yml"
RULES = ROOT / "monitoring" / "prometheus" / "rules.yml"
READY_SECONDS = 60


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    address: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """What an expression is now; one entry a series."""
        query = urllib.parse.urlencode({"query": expression})
        found = self._get(f"/api/v1/query?{query}")["data"]
        if found["resultType"] == "scalar":
            return [{"metric": {}, "value": found["result"]}]
        return list(found["result"])

    def problems(self) -> list[str]:
        """What rules and scrapes complain of."""
        groups = self._get("/api/v1/rules")["data"]["groups"]
        targets = self._get("/api/v1/targets")["data"]["activeTargets"]
        told = [rule.get("lastError") for group in groups for rule in group["rules"]]
        return [text for text in [*told, *(one["lastError"] for one in targets)] if text]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from None


def is_installed() -> bool:
    return shutil.which("prometheus") is not None


@contextmanager
def scraping(directory: Path, jobs: Mapping[str, dict[str, Any]]) -> Iterator[Prometheus]:
    """The shipped configuration and rules, every second, with some of its jobs.

    Args:
        jobs: name -> keys that replace the job's; other jobs are left out, but for Prometheus' own.
    """
    port = free_port()
    config = yaml.safe_load(CONFIG.read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES)]
    del config["alerting"]
    shipped = {job["job_name"]: job for job in config["scrape_configs"]}
    own = {"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    config["scrape_configs"] = [
        {**{key: value for key, value in shipped[name].items() if key != "dns_sd_configs"},
         **changed} for name, changed in {"prometheus": own, **jobs}.items()
    ]  # fmt: skip
    directory.mkdir()
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={directory / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        found = Prometheus(f"http://127.0.0.1:{port}")
        end = time.monotonic() + READY_SECONDS
        while not found.is_ready():
            assert process.poll() is None, (directory / "prometheus.log").read_text()[-2000:]
            assert time.monotonic() < end, "Prometheus was not ready in time"
            time.sleep(0.2)
        yield found
    finally:
        process.terminate()
        process.wait(30)

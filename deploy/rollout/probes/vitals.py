"""Inside the network: state and counters of every replica; arguments: port, then names."""

import http.client
import json
import os
import re
import socket
import sys
from typing import Any

TIMEOUT_SECONDS = 5
LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
ROUTE = 'route="/predict"'
GAUGES = {"perennial_check_alarm", "perennial_champion_problem", "process_start_time_seconds"}


def _addresses(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(entry[4][0]) for entry in found})


def _counters(text: str) -> dict[str, Any]:
    """Requests, 5xx, model failures, cumulative latency buckets (seconds -> requests), gauges."""
    found: dict[str, Any] = {"requests": 0.0, "errors": 0.0, "failures": 0.0, "buckets": {}}
    for name, labels, value in (m.groups() for m in map(LINE.match, text.splitlines()) if m):
        labels = labels or ""
        if name == "perennial_requests_total" and ROUTE in labels:
            found["requests"] += float(value)
            found["errors"] += float(value) * ('status="5' in labels)
        elif name == "perennial_model_failures_total":
            found["failures"] += float(value)
        elif name == "perennial_request_seconds_bucket" and ROUTE in labels:
            edge = labels.split('le="')[1].split('"')[0]
            found["buckets"][edge] = found["buckets"].get(edge, 0.0) + float(value)
        elif name in GAUGES:
            found[name] = max(found.get(name, 0.0), float(value))
    return found


def _get(address: str, port: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, int(port), timeout=TIMEOUT_SECONDS)
    connection.request("GET", path, headers={"X-API-Key": os.environ["PERENNIAL_API_KEY"]})
    response = connection.getresponse()
    return response.status, response.read()


def _look(name: str, address: str, port: str) -> dict[str, Any]:
    try:
        status, content = _get(address, port, "/health/ready")
        ready = json.loads(content)
        counters = _counters(_get(address, port, "/metrics")[1].decode())
    except (OSError, ValueError, http.client.HTTPException) as error:
        return {"name": name, "address": address, "ready": False, "problem": repr(error)}
    return {"name": name, "address": address, "ready": status == 200,
            "problem": ready.get("problem"), "version": ready.get("model_version"),
            **counters}  # fmt: skip


def main() -> None:
    port, *names = sys.argv[1:]
    found = [_look(name, at, port) for name in names for at in _addresses(name)]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

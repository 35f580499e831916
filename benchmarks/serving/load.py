"""wrk as a load generator: one POST body, fixed connections, figures as numbers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping

# Reports the latency histogram and every kind of error as one line of JSON.
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
%s
wrk.body = [==[%s]==]
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %%d, "rps": %%f, "p50_ms": %%f, "p99_ms": %%f, "errors": %%d}\\n',
    summary.requests, summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""
# Each connection asks, gets its answer, and waits so long before it asks again.
PACE = """
function delay()
  return %d
end
"""

Figures = dict[str, float]


def require_wrk() -> None:
    """Make sure that wrk is there; as root on Debian it is installed, otherwise the remedy told."""
    if shutil.which("wrk"):
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("installing wrk ...", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], check=False,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    if not shutil.which("wrk"):
        sys.exit("this benchmark needs wrk: `apt-get install wrk`, `brew install wrk`")


def load(
    url: str,
    body: bytes,
    connections: int,
    seconds: int,
    *,
    headers: Mapping[str, str] | None = None,
    pause_ms: int = 0,
) -> Figures:
    """Requests per second, latency in milliseconds, errors of any kind.

    Args:
        pause_ms: of each connection between an answer and its next request.
    """
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in (headers or {}).items()]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % ("\n".join(lines), body.decode()))
        script.write(PACE % pause_ms if pause_ms else "")
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
                   "-s", script.name, url]  # fmt: skip
        run = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: Figures = json.loads(run.stdout.strip().splitlines()[-1])
    return {name: round(value, 3) for name, value in figures.items()}

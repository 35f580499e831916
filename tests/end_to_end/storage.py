"""Storage that speaks S3, on loopback: moto's server in an environment of its own."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.conftest import ROOT
from tests.service.servers import wait_for

START_SECONDS = 60


def install_moto(directory: Path) -> Path:
    """Its own environment, for it would change the versions of others; the server's command."""
    uv, python = Path(sys.executable).parent / "uv", directory / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, directory], check=True)
    lock = ROOT / "requirements" / "moto.txt"
    options = ["-q", "--system-certs", "--python", python, "--require-hashes", "-r", lock]
    subprocess.run([uv, "pip", "install", *options], check=True)
    return directory / "bin" / "moto_server"


@contextmanager
def storage_server(command: Path, log: Path) -> Iterator[str]:
    """The address of a running, empty storage."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("w") as output:
        options = ["-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen([command, *options], stdout=output, stderr=output)
    try:
        wait_for(lambda: process.poll() is not None or _answers(port), START_SECONDS)
        assert process.poll() is None, log.read_text()[-3000:]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_bucket(address: str, name: str) -> None:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    connection.request("PUT", f"/{name}")
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 200


def credentials() -> dict[str, str]:
    """What the storage takes; nothing of the tester's own account."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    keys = {"AWS_ACCESS_KEY_ID": "a-test", "AWS_SECRET_ACCESS_KEY": "a-test"}
    return {**inherited, **keys, "AWS_DEFAULT_REGION": "us-east-1"}

"""A throw-away PostgreSQL server on its own port, for tests; skips where none is installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local import free_port


@contextmanager
def temporary_postgresql() -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty database, while its server runs.

    Not in pytest's temporary directory, which only its own user may enter: PostgreSQL refuses to
    run as root.
    """
    tools = _find_tools()
    if tools is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="perennial-postgresql-") as name:
        yield from _serve(tools, Path(name))


def _serve(tools: Path, directory: Path) -> Iterator[str]:
    # Where root's PATH lacks the administrator's folders.
    as_user = ["/usr/sbin/runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(directory, "postgres")
    port, data = free_port(), directory / "data"
    control = [*as_user, str(tools / "pg_ctl"), "-D", str(data), "-w"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {directory}"
    initialise = [str(tools / "initdb"), "-A", "trust", "-U", "perennial", "-D", str(data)]
    subprocess.run([*as_user, *initialise], check=True, capture_output=True)
    log = str(directory / "log")
    subprocess.run([*control, "-l", log, "-o", options, "start"], check=True, capture_output=True)
    try:
        yield f"postgresql+psycopg://perennial@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)


def _find_tools() -> Path | None:
    found = shutil.which("pg_ctl")
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return Path(found).parent if found else next(iter(packaged), None)

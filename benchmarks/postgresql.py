"""A throw-away PostgreSQL server on its own port, for benchmarks and tests."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import free_port


class PostgresqlMissingError(RuntimeError):
    """This machine has no PostgreSQL server to start."""

    def __init__(self) -> None:
        super().__init__("PostgreSQL is not installed (apt-get install postgresql)")


@contextmanager
def temporary_postgresql(extra: str = "") -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty database, while its server runs.

    Args:
        extra: options of the server, like "-c fsync=off".

    Not in pytest's temporary directory, which only its own user may enter: PostgreSQL refuses to
    run as root.

    Raises:
        PostgresqlMissingError: no server is installed.
    """
    tools = _find_tools()
    with tempfile.TemporaryDirectory(prefix="perennial-postgresql-") as name:
        yield from _serve(tools, Path(name), extra)


def _serve(tools: Path, directory: Path, extra: str) -> Iterator[str]:
    # Where root's PATH lacks the administrator's folders.
    as_user = ["/usr/sbin/runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(directory, "postgres")
    port, data = free_port(), directory / "data"
    control = [*as_user, str(tools / "pg_ctl"), "-D", str(data), "-w"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {directory} {extra}"
    initialise = [str(tools / "initdb"), "-A", "trust", "-U", "perennial", "-D", str(data)]
    subprocess.run([*as_user, *initialise], check=True, capture_output=True)
    log = str(directory / "log")
    subprocess.run([*control, "-l", log, "-o", options, "start"], check=True, capture_output=True)
    try:
        yield f"postgresql+psycopg://perennial@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)


def _find_tools() -> Path:
    found = shutil.which("pg_ctl")
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    tools = Path(found).parent if found else next(iter(packaged), None)
    if tools is None:
        raise PostgresqlMissingError
    return tools

"""A throw-away PostgreSQL server that can be stopped, frozen and started again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import free_port


@dataclass(frozen=True)
class Postgres:
    """A server on a port of the loopback; `control` is the command that rules it."""

    port: int
    directory: Path
    control: tuple[str, ...]

    def url(self, port: int | None = None) -> str:
        """SQLAlchemy's URL, through another port where one is given."""
        return f"postgresql+psycopg://perennial@127.0.0.1:{port or self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.directory}"
        log = str(self.directory / "log")
        _run([*self.control, "-w", "-l", log, "-o", options, "start"])

    def stop(self) -> None:
        """As if its process had been killed; the next start recovers from its log."""
        _run([*self.control, "-w", "-m", "immediate", "stop"])

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal to the server and all of its children."""
        pid = int((self.directory / "data/postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, signal_number)


@contextmanager
def temporary_postgres() -> Iterator[Postgres]:
    """A fresh, empty server, running; where root asks, it belongs to the user postgres."""
    tools = _find_tools()
    with tempfile.TemporaryDirectory(prefix="perennial-postgresql-") as name:
        directory = Path(name)
        as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            as_user = ["/usr/sbin/runuser", "-u", "postgres", "--"]
            shutil.chown(directory, "postgres")
        data = str(directory / "data")
        _run([*as_user, str(tools / "initdb"), "-A", "trust", "-U", "perennial", "-D", data])
        control = (*as_user, str(tools / "pg_ctl"), "-D", data)
        server = Postgres(free_port(), directory, control)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _find_tools() -> Path:
    found = shutil.which("pg_ctl")
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not found and not packaged:
        sys.exit("the faults of PostgreSQL need its server: `apt-get install postgresql`")
    return Path(found).parent if found else packaged[0]


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

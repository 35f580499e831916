"""Make the secrets of docker-compose.yml that are missing: `python -m deploy.secrets`.

Each is a file of its own in secrets/, which only its owner may enter; containers get them one by
one. What exists stays. Lose the directory and you lose access: back it up where secrets belong.
"""

import argparse
import secrets
import sys
from pathlib import Path

DIRECTORY = Path("secrets")
DATABASE_URL = "postgresql+psycopg://perennial:{}@postgres/perennial"
KEYS = ("admin_key", "metrics_key")


def make_secrets(directory: Path) -> list[str]:
    """Write what is missing; returns the names of what was."""
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
    made = []
    for name in ("postgres_password", "grafana_password"):
        made += _write(directory / name, secrets.token_urlsafe(32))
    password = (directory / "postgres_password").read_text()
    made += _write(directory / "perennial_database_url", DATABASE_URL.format(password))
    for name in KEYS:
        made += _write(directory / name, f"perennial_{secrets.token_urlsafe(32)}")
    made += _write(directory / "perennial_alert_urls", "")  # Apprise's addresses: yours to fill
    return made


def _write(path: Path, value: str) -> list[str]:
    """Readable for a container's user; the directory keeps everybody else out."""
    if path.exists():
        return []
    path.touch(mode=0o600)
    path.write_text(value)
    path.chmod(0o444)
    return [path.name]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.secrets", description=__doc__)
    parser.add_argument("--directory", type=Path, default=DIRECTORY)
    given = parser.parse_args()
    try:
        made = make_secrets(given.directory)
    except OSError as error:
        sys.exit(f"secrets cannot be written: {error}")
    print(f"made {', '.join(made)} in {given.directory}/" if made else "nothing was missing")
    print(f"the key that may do everything: cat {given.directory}/admin_key")


if __name__ == "__main__":
    main()

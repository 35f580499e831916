"""Writes deploy/grafana/dashboards/*.json from the modules beside this one.

`python -m deploy.dashboards`; with `--check` it writes nothing and fails where a file differs.
"""

import argparse
import json
import sys
from pathlib import Path

from deploy.dashboards.drift import DRIFT
from deploy.dashboards.ledger import LEDGER
from deploy.dashboards.panels import Dashboard, as_json
from deploy.dashboards.quality import QUALITY
from deploy.dashboards.retrains import RETRAINS
from deploy.dashboards.service import SERVICE

DIRECTORY = Path("deploy/grafana/dashboards")
DASHBOARDS = (SERVICE, QUALITY, DRIFT, RETRAINS, LEDGER)


def files() -> dict[Path, str]:
    """Each file with what it has to hold."""
    return {DIRECTORY / f"{board.uid}.json": as_text(board) for board in DASHBOARDS}


def as_text(board: Dashboard) -> str:
    """As it is committed."""
    return json.dumps(as_json(board), indent=2) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    wanted = files()
    old = [path for path in DIRECTORY.glob("*.json") if path not in wanted]
    differ = [path for path, text in wanted.items()
              if not path.exists() or path.read_text() != text]  # fmt: skip
    if check and (old or differ):
        names = ", ".join(map(str, [*differ, *old]))
        sys.exit(f"not what deploy/dashboards says: {names}; run `python -m deploy.dashboards`")
    if not check:
        for path in old:
            path.unlink()
        for path in differ:
            path.write_text(wanted[path])
            print(f"wrote {path}")


if __name__ == "__main__":
    main()

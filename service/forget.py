"""`python -m service.forget`: erases a subject from the spool; monitoring.erase runs it.

Reads {"column", "value", "ids", "dry_run"} as JSON, because a command line can be seen by others;
writes what it found as JSON. Run it by hand where the spool is on another machine.
"""

import argparse
import json
import sys
from dataclasses import asdict

from contracts.settings import Settings
from contracts.subject import Subject
from service.ledger.erasing import erase_from_spools


def main() -> None:
    argparse.ArgumentParser(prog="python -m service.forget", description=__doc__).parse_args()
    try:
        asked = json.load(sys.stdin)
        subject = Subject(asked["column"], asked["value"], frozenset(asked["ids"]))
        is_dry = bool(asked["dry_run"])
    except (ValueError, LookupError, TypeError) as error:
        sys.exit(f'not {{"column", "value", "ids", "dry_run"}}: {error!r}')
    try:
        done = erase_from_spools(Settings().spool_dir, subject, dry_run=is_dry)
    except OSError as error:
        sys.exit(f"the spool cannot be erased from: {error}")
    sys.stdout.write(json.dumps({**asdict(done), "ids": sorted(done.ids)}) + "\n")


if __name__ == "__main__":
    main()

"""Audit what is shipped and how it is made: `make audit`.

One line a check, with the number of findings; each finding below it. Ends with 1 if there is one,
or if a tool could not check. With --offline the latter is told and does not count.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from deploy.audit.checks import CHECKS, Check, copy_tree
from deploy.audit.findings import (
    IGNORES,
    Finding,
    Ignore,
    IgnoreError,
    NotCheckedError,
    read_ignores,
    split,
)


@dataclass(frozen=True)
class Outcome:
    """What a check said.

    Attributes:
        why_not: why it could not check; "" = it did.
    """

    name: str
    mend: tuple[Finding, ...] = ()
    ignored: int = 0
    why_not: str = ""

    def lines(self) -> Iterable[str]:
        if self.why_not:
            yield f"{self.name:<24} NOT CHECKED: {self.why_not}"
            return
        passed = f", {self.ignored} ignored until a day" if self.ignored else ""
        yield f"{self.name:<24} {len(self.mend)} findings{passed}"
        yield from (f"    {finding}" for finding in self.mend)


def audit(
    root: Path, checks: Iterable[Check], ignores: Iterable[Ignore], today: date
) -> Iterable[Outcome]:
    """Run each check on a copy of the repository's tree."""
    ignores = list(ignores)
    with tempfile.TemporaryDirectory(prefix="audit-") as directory:
        copy_tree(root, Path(directory))
        for check in checks:
            try:
                found = check.find(root, Path(directory))
            except NotCheckedError as error:
                yield Outcome(check.name, why_not=str(error))
                continue
            mend, passed = split(check.name, found, ignores, today)
            yield Outcome(check.name, tuple(mend), len(passed))


def status(outcomes: Iterable[Outcome], *, offline: bool) -> int:
    """1 = there is something to mend, or to check elsewhere."""
    return int(any(each.mend or (each.why_not and not offline) for each in outcomes))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.audit", description=__doc__)
    names = [check.name for check in CHECKS]
    parser.add_argument("--only", choices=names, action="append", help="default: all")
    parser.add_argument("--offline", action="store_true", help="end well although some cannot run")
    parser.add_argument("--ignores", type=Path, default=IGNORES)
    given = parser.parse_args()
    try:
        ignores = read_ignores(given.ignores)
    except (IgnoreError, OSError) as error:
        sys.exit(f"audit refused: {error}")
    wanted = [check for check in CHECKS if check.name in (given.only or names)]
    outcomes = []
    for outcome in audit(Path(), wanted, ignores, datetime.now(UTC).date()):
        print("\n".join(outcome.lines()), flush=True)
        outcomes.append(outcome)
    missed = [each.name for each in outcomes if each.why_not]
    if missed:
        end = "nothing says that these are clean" if given.offline else "so this audit failed"
        print(f"\n*** NOT CHECKED HERE: {', '.join(missed)}; {end} ***")
    sys.exit(status(outcomes, offline=given.offline))


if __name__ == "__main__":
    main()

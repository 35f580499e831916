"""What audits find, and what deploy/audit/ignores.toml says to pass over, until when."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from pathlib import Path

IGNORES = Path("deploy/audit/ignores.toml")
SERVING = "requirements/serve.txt"  # what answers the world has no exceptions
LEAST_REASON = 20  # characters


class NotCheckedError(RuntimeError):
    """A tool could not check; the message says why."""


class IgnoreError(ValueError):
    """An entry of ignores.toml lacks something, or passes over what may not be passed over."""


@dataclass(frozen=True)
class Finding:
    """One thing to mend.

    Attributes:
        names: its id and the other ids it is known by.
        where: file, from the repository's root.
    """

    names: tuple[str, ...]
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.names[0]}: {self.message}"


@dataclass(frozen=True)
class Ignore:
    check: str
    id: str
    where: str
    reason: str
    expires: date

    def covers(self, check: str, finding: Finding) -> bool:
        return (
            check == self.check and self.id in finding.names and fnmatch(finding.where, self.where)
        )


def read_ignores(path: Path = IGNORES) -> list[Ignore]:
    """Every entry of the file.

    Raises:
        IgnoreError: naming the entry.
    """
    found = []
    for entry in tomllib.loads(path.read_text()).get("ignore", []):
        if set(entry) != set(Ignore.__annotations__):
            raise IgnoreError(f"{path}: {entry} needs exactly {', '.join(Ignore.__annotations__)}")
        if type(entry["expires"]) is not date or len(str(entry["reason"])) < LEAST_REASON:
            raise IgnoreError(f"{path}: {entry['id']} needs a reason and a day to expire on")
        if entry["check"] == "pip-audit" and fnmatch(SERVING, entry["where"]):
            raise IgnoreError(f"{path}: {entry['id']}: the serving set has no exceptions")
        found.append(Ignore(**entry))
    return found


def split(
    check: str, findings: Iterable[Finding], ignores: Iterable[Ignore], today: date
) -> tuple[list[Finding], list[Finding]]:
    """Findings to mend, and those passed over; an expired ignore, or one of nothing, is to mend."""
    findings = list(findings)
    mine = [ignore for ignore in ignores if ignore.check == check]
    valid = [ignore for ignore in mine if ignore.expires >= today]
    passed = [each for each in findings if any(one.covers(check, each) for one in valid)]
    mend = [each for each in findings if each not in passed]
    for ignore in mine:
        covered = any(ignore.covers(check, each) for each in findings)
        if ignore not in valid:
            mend.append(_stale(ignore, f"its ignore expired on {ignore.expires}: {ignore.reason}"))
        elif not covered:
            mend.append(_stale(ignore, "its ignore covers nothing any more: remove it"))
    return mend, passed


def _stale(ignore: Ignore, why: str) -> Finding:
    return Finding((ignore.id,), str(IGNORES), f"{ignore.where}: {why}")

"""Licences of what each process is shipped with, from the packages' metadata by pip-licenses.

`python -m deploy.audit.licences` writes docs/licences.md; `make audit` judges: an unknown licence
is a finding, and so is strong copyleft in the service's set.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from deploy.audit.findings import Finding

PYTHON = Path(".venv/bin/python")  # where everything that is shipped is installed
TOOL = Path(".venv-audit/bin/pip-licenses")
PAGE = Path("docs/licences.md")
SETS = {"service": ("serve",), "monitoring": ("monitor",), "trainer": ("monitor", "train")}
PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC",
    "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "TCL", "Unlicense", "ZPL-2.1", "Zlib",
}  # fmt: skip
# Changes to the package itself must be published; what uses it need not be.
WEAK_COPYLEFT = {"EPL-1.0", "EPL-2.0", "LGPL-3.0-only", "MPL-2.0"}
# A library that anything may link, of the trainer only.
WITH_EXCEPTION = {"GPL-2.0-only WITH GCC-exception-2.0"}
ALLOWED = {
    "service": PERMISSIVE | WEAK_COPYLEFT,
    "monitoring": PERMISSIVE | WEAK_COPYLEFT,
    "trainer": PERMISSIVE | WEAK_COPYLEFT | WITH_EXCEPTION,
}
# What packages write where SPDX has a name.
SPDX = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD",
    "bsd license": "BSD",
    "cc0": "CC0-1.0",
    "gplv2 with linking exception": "GPL-2.0-only WITH GCC-exception-2.0",
    "gplv2 | eplv1": "GPL-2.0-only OR EPL-1.0",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "zope public license": "ZPL-2.1",
}
# Their metadata says nothing or the whole text; read in the licence file of the wheel.
READ = {"rich-click": "MIT", "skops": "MIT"}
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: *;([^\\]+))?", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    licence: str  # SPDX expression, or what the package says


def from_pip_licenses(rows: Iterable[Mapping[str, Any]]) -> dict[str, Package]:
    """What `pip-licenses --format=json --from=all` says, by canonical name."""
    found: dict[str, Package] = {}
    for row in rows:
        name = canonicalize_name(row["Name"])
        found[name] = Package(name, row["Version"], READ.get(name) or _licence(row))
    return found


def _licence(row: Mapping[str, Any]) -> str:
    """The expression, else a short licence field, else the classifiers."""
    expression, field = str(row["License-Expression"]), str(row["License-Metadata"]).strip()
    if expression != "UNKNOWN":
        return expression
    binds = "gpl" in field.lower() and "\n" not in field  # counts whatever a classifier says
    if binds or field.lower() in SPDX or _terms(field) <= PERMISSIVE | WEAK_COPYLEFT:
        return SPDX.get(field.lower(), field)
    names = [SPDX.get(part.strip().lower(), part.strip())
             for part in row["License-Classifier"].split(";")]  # fmt: skip
    return " AND ".join(names)


def _terms(expression: str) -> set[str]:
    return {term.strip(" ()") for term in re.split(r" (?:AND|OR) ", expression)}


def packages_of(lock: Path) -> list[tuple[str, str]]:
    """Canonical name and version of what a lock installs on this platform and Python."""
    return [
        (canonicalize_name(name), version)
        for name, version, marker in PINNED.findall(lock.read_text())
        if not marker.strip() or Marker(marker.strip()).evaluate()
    ]


def allowed(expression: str, terms: set[str]) -> bool:
    """Whether an SPDX expression can be fulfilled with these terms; parentheses go one deep."""

    def outcome(inner: re.Match[str]) -> str:
        return "yes" if allowed(inner[1], terms) else "no"

    flat = re.sub(r"\(([^()]*)\)", outcome, expression)
    return any(
        all(term.strip() in terms | {"yes"} for term in choice.split(" AND "))
        for choice in flat.split(" OR ")
    )


def judge(requirements: Path, known: Mapping[str, Package]) -> list[Finding]:
    """What no process may be shipped with, or nobody knows the licence of."""
    found = []
    for process, locks in SETS.items():
        for lock in locks:
            where = requirements / f"{lock}.txt"
            for name, version in packages_of(where):
                package = known.get(name)
                if package is None or package.version != version:
                    why = f"{name} {version} is not in .venv, its licence is unknown: make setup"
                elif not allowed(package.licence, ALLOWED[process]):
                    why = f"{name} {version}: {package.licence} is not allowed in {process}"
                else:
                    continue
                found.append(Finding((name,), f"requirements/{lock}.txt", why))
    return found


def page(requirements: Path, known: Mapping[str, Package]) -> str:
    """docs/licences.md."""
    rows: dict[tuple[str, str], set[str]] = {}
    for process, locks in SETS.items():
        for lock in locks:
            for pinned in packages_of(requirements / f"{lock}.txt"):
                rows.setdefault(pinned, set()).add(process)
    lines = [
        "# Licences",
        "",
        "Of every package in the images, by process, from its own metadata (Python 3.11, Linux).",
        "`python -m deploy.audit.licences` writes this page; what is allowed stands in",
        "[licences.py](../deploy/audit/licences.py), and `make audit` fails on the rest.",
        "Debian's packages of the base image come on top: `make sbom` lists them.",
        "",
        "| package | version | licence | shipped in |",
        "|---|---|---|---|",
    ]
    for (name, version), processes in sorted(rows.items()):
        licence = known[name].licence if name in known else "unknown"
        shipped = ", ".join(each for each in SETS if each in processes)
        lines.append(f"| {name} | {version} | {licence} | {shipped} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.audit.licences", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the page, write nothing")
    given = parser.parse_args()
    command = [str(TOOL), "--python", str(PYTHON), "--format=json", "--from=all", "--with-system"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"licences cannot be read: {error}; make setup setup-audit")
    text = page(Path("requirements"), from_pip_licenses(json.loads(said)))
    if given.check and text != PAGE.read_text():
        sys.exit(f"{PAGE} is out of date: python -m deploy.audit.licences")
    if not given.check:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()

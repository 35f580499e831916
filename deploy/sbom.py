"""Write what each image is made of, as CycloneDX: `make sbom`, build/sbom/PROCESS.cdx.json.

Reads perennial/PROCESS:TAG as the engine saves it, Debian's packages included. With --locks it
reads the hashed locks instead, needs no engine, and knows nothing of the base. Either way it fails
unless every package of the locks is there in the locked version.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.utils import canonicalize_name

from deploy.audit.licences import SETS, packages_of

BIN = Path(".venv-audit/bin")
OUT = Path("build/sbom")
REQUIREMENTS = Path("requirements")


class SbomError(RuntimeError):
    """A bill was not written, or does not name what is shipped."""


def of_image(name: str, out: Path) -> None:
    """Write the bill of an image that the engine has.

    Raises:
        SbomError: no engine, no image, no syft.
    """
    with tempfile.TemporaryDirectory(prefix="sbom-") as directory:
        archive = Path(directory) / "image.tar"
        _run("docker", "save", "--output", str(archive), name)
        _run(str(BIN / "syft"), "scan", "--quiet", f"docker-archive:{archive}",
             "--source-name", name.split(":")[0], "-o", f"cyclonedx-json={out}")  # fmt: skip


def of_locks(process: str, out: Path) -> None:
    """Write the bill of what a process' locks install on any platform.

    Raises:
        SbomError: no cyclonedx-py.
    """
    with tempfile.TemporaryDirectory(prefix="sbom-") as directory:
        lock = Path(directory) / "requirements.txt"
        lock.write_text("".join((REQUIREMENTS / f"{n}.txt").read_text() for n in SETS[process]))
        _run(str(BIN / "cyclonedx-py"), "requirements", str(lock), "--output-format=JSON",
             "--output-reproducible", "-o", str(out))  # fmt: skip


def _run(*command: str) -> None:
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    try:
        found = subprocess.run(command, env=environment, capture_output=True, text=True)
    except OSError as error:
        raise SbomError(f"{error}; make setup-audit") from None
    if found.returncode:
        raise SbomError(f"{command[0]}: {found.stderr.strip()[-500:]}")


def packages(bill: Path) -> set[tuple[str, str]]:
    """Canonical name and version of the Python packages that a bill names."""
    components = json.loads(bill.read_text())["components"]
    return {
        (canonicalize_name(each["name"]), each["version"])
        for each in components
        if each.get("purl", "").startswith("pkg:pypi/")
    }


def check(process: str, bill: Path) -> int:
    """Number of Python packages in a bill.

    Raises:
        SbomError: a package of the locks is missing.
    """
    found = packages(bill)
    locked = {each for n in SETS[process] for each in packages_of(REQUIREMENTS / f"{n}.txt")}
    if missing := sorted(locked - found):
        raise SbomError(f"{bill} lacks {missing}: the image is older than the locks; make images")
    return len(found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.sbom", description=__doc__)
    parser.add_argument("--process", choices=SETS, action="append", help="default: all three")
    parser.add_argument("--tag", default="latest")
    parser.add_argument("--locks", action="store_true", help="of the locks, without an engine")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        for process in given.process or SETS:
            bill = given.out / f"{process}.cdx.json"
            if given.locks:
                of_locks(process, bill)
            else:
                of_image(f"perennial/{process}:{given.tag}", bill)
            source = "locks, not the image" if given.locks else "image"
            print(f"{bill}  {check(process, bill)} Python packages, of the {source}")
    except (SbomError, OSError) as error:
        sys.exit(f"sbom failed: {error}")


if __name__ == "__main__":
    main()

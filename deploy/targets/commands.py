"""How the deploy commands call the clouds' own tools: for real, or only printed."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[list[str], str], str]  # command and what it reads; gives what it printed
SERVICE, MONITORING = "perennial/service", "perennial/monitoring"
OF_NO_IMAGE = f"@sha256:{'0' * 64}"  # what the files name until a release is put in


class DeployError(RuntimeError):
    """A command failed; what it said is above."""


@dataclass(frozen=True)
class Release:
    """What is deployed, by digest: NAME@sha256:..."""

    service: str
    monitoring: str

    def put_into(self, text: str) -> str:
        """A manifest with this release's images in place of those of no image."""
        for name, image in ((SERVICE, self.service), (MONITORING, self.monitoring)):
            text = text.replace(f"image: {name}{OF_NO_IMAGE}", f"image: {image}")
        return text


def really(command: list[str], given: str = "") -> str:
    """Run a command to success.

    Raises:
        DeployError: it failed, or is not installed.
    """
    try:
        found = subprocess.run(command, input=given, text=True, stdout=subprocess.PIPE, check=False)
    except FileNotFoundError:
        raise DeployError(f"{command[0]} is not installed, and it is what deploys here") from None
    if found.returncode:
        raise DeployError(f"{shlex.join(command)} ended with {found.returncode}")
    return found.stdout


def only_print(command: list[str], given: str = "") -> str:
    """Print what would be run."""
    sys.stdout.write(f"{shlex.join(command)}{'  < manifest' if given else ''}\n")
    return ""


def rendered(source: Path, values: dict[str, str], release: Release, directory: Path) -> Path:
    """A copy of a manifest in `directory`, with the release's images and the place's names."""
    text = release.put_into(source.read_text())
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(name, values[name])
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / source.name
    path.write_text(text)
    return path

"""Build the image of each process from this checkout and its bundle: `make images`.

Needs a container engine and build/bundle (`dvc repro`). BASE_IMAGE and BASE_DIGEST name another
base, as mirrors and releases do.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

TARGETS = ("service", "monitoring", "trainer")
BUNDLE = Path("build/bundle/manifest.json")
BASE = "python:3.11-slim-bookworm"
MOST_MB = 400  # of the service, above its base
DEBIAN_CLIENT = Path("/usr/bin/docker")


class BuildError(RuntimeError):
    """An image was not built; what the engine said is above."""


def build(target: str, tag: str, base: str, digest: str, *, fresh: bool = False) -> int:
    """Build one target as perennial/TARGET:TAG; returns its size in bytes.

    Args:
        fresh: whether every layer is made anew.

    Raises:
        BuildError: the engine refused.
    """
    name = f"perennial/{target}:{tag}"
    arguments = {"BASE_IMAGE": base, "BASE_DIGEST": digest, **labels()}
    options = [
        part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")
    ]
    network = os.environ.get("BUILD_NETWORK")
    if network:
        options += ["--network", network]
    if fresh:
        options += ["--no-cache"]
    found = _build(["--quiet", "--target", target, "--tag", name, *options])
    if found.returncode:
        sys.stderr.write(found.stderr)
        raise BuildError(f"{name} was not built")
    return size(name)


def _build(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """By BuildKit; Debian's client has it where a newer one lacks buildx.

    Else by the older builder, which makes every stage, one after the other.
    """
    debian = [(str(DEBIAN_CLIENT), "1")] if DEBIAN_CLIENT.exists() else []
    for client, buildkit in [("docker", "1"), *debian, ("docker", "0")]:
        environment = {**os.environ, "DOCKER_BUILDKIT": buildkit}
        builder = "buildkit" if buildkit == "1" else "classic"
        command = [client, "build", *arguments, "--build-arg", f"BUILDER={builder}", "."]
        found = subprocess.run(command, env=environment, capture_output=True, text=True)
        if "buildx component is missing" not in found.stderr:
            break
    return found


def size(name: str) -> int:
    """Bytes of an image, uncompressed, its base included."""
    command = ["docker", "image", "inspect", name]
    found = subprocess.run(command, capture_output=True, check=True)
    return int(json.loads(found.stdout)[0]["Size"])


def labels() -> dict[str, str]:
    """What an image says of its origin: commit, version, when and where from."""
    origin = os.environ.get("SOURCE") or _git("config", "--get", "remote.origin.url")
    return {
        "REVISION": _git("rev-parse", "HEAD") or "unknown",
        "VERSION": os.environ.get("VERSION") or _git("describe", "--tags", "--always") or "unknown",
        "CREATED": _git("log", "-1", "--format=%cI"),
        "SOURCE": origin if origin.startswith("https://") and "@" not in origin else "",
    }


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    found = subprocess.run(command, capture_output=True, text=True)
    return found.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.images", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all three")
    parser.add_argument("--tag", default="latest")
    parser.add_argument("--base", default=os.environ.get("BASE_IMAGE", BASE))
    parser.add_argument("--digest", default=os.environ.get("BASE_DIGEST", ""), help="@sha256:...")
    given = parser.parse_args()
    if not BUNDLE.exists():
        sys.exit(
            "images refused: the service carries a bundle and there is none; `dvc repro` first"
        )
    try:
        for target in given.target or TARGETS:
            found = build(target, given.tag, given.base, given.digest)
            above = (found - size(given.base + given.digest)) / 1e6
            print(f"perennial/{target}:{given.tag}  {above:.0f} MB above its base")
            if target == "service" and above > MOST_MB:
                sys.exit(f"the service's image is larger than {MOST_MB} MB above its base")
    except (BuildError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"images failed: {error}")


if __name__ == "__main__":
    main()

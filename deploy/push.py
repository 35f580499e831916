"""Push the images of this checkout to a registry, and say by which digests: `make push`.

Log in first (`docker login`). What is deployed is named by its digest: the tag may move.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from deploy.images import TARGETS


class PushError(RuntimeError):
    """An image was not pushed; the message holds what the engine said."""


def push(target: str, registry: str, tag: str) -> str:
    """Push perennial/TARGET:latest as REGISTRY/TARGET:TAG; its name by digest.

    Raises:
        PushError: the engine or the registry refused.
    """
    repository = f"{registry.lower()}/{target}"  # registries take small letters only
    _docker("tag", f"perennial/{target}:latest", f"{repository}:{tag}")
    _docker("push", "--quiet", f"{repository}:{tag}")
    found = json.loads(_docker("image", "inspect", f"{repository}:{tag}"))[0]["RepoDigests"]
    named: list[str] = [name for name in found if name.startswith(f"{repository}@sha256:")]
    if len(named) != 1:
        raise PushError(f"{repository}:{tag} has no single digest: {found}")
    return named[0]


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        raise PushError(f"docker {' '.join(arguments)}: {found.stderr.strip()}")
    return found.stdout


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.push", description=__doc__)
    parser.add_argument("--registry", required=True, help="ghcr.io/owner/name")
    parser.add_argument("--tag", required=True, help="for people; v1.2.3 or a commit")
    given = parser.parse_args()
    try:
        pushed = {target: push(target, given.registry, given.tag) for target in TARGETS}
    except (PushError, OSError) as error:
        sys.exit(f"push failed: {error}")
    lines = []
    for target, image in pushed.items():
        name, digest = image.split("@")
        lines += [f"{target}={image}", f"{target}_name={name}", f"{target}_digest={digest}"]
    print("\n".join(lines))
    if outputs := os.environ.get("GITHUB_OUTPUT"):  # the step's outputs
        with Path(outputs).open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

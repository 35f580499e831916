"""Share what the stages make through the DVC remote: `make pull-results`, `make push-results`.

A fork of this repository has no remote at first. Then nothing is shared, every stage runs anew, and
this says so. A remote that is named and does not answer is an error.
"""

import argparse
import subprocess
import sys
from pathlib import Path

COMMANDS = {
    # What no one has pushed is made by the stages.
    "pull": ("pull", "--quiet", "--run-cache", "--allow-missing"),
    "push": ("push", "--quiet", "--run-cache"),
}


class RemoteError(RuntimeError):
    """The remote that is named cannot be used."""


def share(direction: str) -> bool:
    """Pull or push; False = no remote is named.

    Raises:
        RemoteError: DVC failed; the message holds what it said.
    """
    named = _dvc("config", "core.remote")
    if named.returncode or not named.stdout.strip():
        return False
    found = _dvc(*COMMANDS[direction])
    if found.returncode:
        raise RemoteError(found.stderr.strip())
    return True


def _dvc(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).parent / "dvc"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.dvc_remote", description=__doc__)
    parser.add_argument("direction", choices=COMMANDS)
    given = parser.parse_args()
    try:
        shared = share(given.direction)
    except (RemoteError, OSError) as error:
        sys.exit(
            f"the DVC remote could not be used ({given.direction}): {error}\n"
            "see docs/remotes.md for its address and credentials"
        )
    if not shared:  # an annotation on the run's page, too
        print(f"::warning::SKIPPED {given.direction}: no DVC remote is named (docs/remotes.md)")


if __name__ == "__main__":
    main()

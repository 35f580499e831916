"""Replace the running release of docker-compose.yml's service, or go back: `make rollout IMAGE=`.

The new release is tried by itself, started beside the present one, given a share of the requests,
then all, and watched. Ends with 0 if it was kept, with 3 if it was rolled back (the present one
answers, as before), with 1 if nothing was done, with 4 if it answers and the command has to be run
again. See docs/deploy/compose.md.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from deploy.rollout.compose import VARIABLE, ComposeHost, HostError
from deploy.rollout.judge import Limits
from deploy.rollout.record import BusyError, only_one
from deploy.rollout.roll import Plan, UnfinishedError, recover, roll
from deploy.rollout.trial import BadReleaseError

RECORD = Path("var/rollout")
KEY = Path("secrets/admin_key")
OWN_COMPOSE = Path(".venv-delivery/bin/docker-compose")  # `make setup-delivery`
KEPT, NOTHING_DONE, ROLLED_BACK, UNFINISHED = 0, 1, 3, 4


def find_compose() -> list[str]:
    """How compose is called here.

    Raises:
        HostError: it is not installed.
    """
    if shutil.which("docker"):
        command = ["docker", "compose", "version"]
        asked = subprocess.run(command, capture_output=True)
        if asked.returncode == 0:
            return ["docker", "compose"]
    if OWN_COMPOSE.exists():
        return [str(OWN_COMPOSE.absolute())]
    raise HostError("neither `docker compose` nor .venv-delivery is here; `make setup-delivery`")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.rollout", description=__doc__)
    parser.add_argument("image", help="NAME@sha256:... (a tag may move)")
    parser.add_argument("--promote", action="store_true",
                        help="make the bundle that it carries champion")  # fmt: skip
    for name, text in (
        ("rows", "most logged rows to compare answers on"),
        ("least_rows", "fewer cannot judge a model"),
        ("canary_seconds", "an eighth of the requests"),
        ("watch_seconds", "all requests; again after a promotion"),
        ("drain_seconds", "before a release that gets no requests any more is stopped"),
    ):
        default = getattr(Plan, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default,
                            help=f"{text} (%(default)s)")  # fmt: skip
    for limit in fields(Limits):
        parser.add_argument(f"--limit-{limit.name}", type=type(limit.default),
                            default=limit.default, help="see docs (%(default)s)")  # fmt: skip
    return parser


def _plan(given: argparse.Namespace) -> Plan:
    limits = Limits(**{one.name: getattr(given, f"limit_{one.name}") for one in fields(Limits)})
    names = [one.name for one in fields(Plan) if one.name != "limits"]
    return Plan(**{name: getattr(given, name) for name in names}, limits=limits)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    given = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    if os.environ.get(VARIABLE):
        sys.exit(f"rollout refused: {VARIABLE} in the environment would outvote .env; unset it")
    try:
        command, key, plan = find_compose(), KEY.read_text().strip(), _plan(given)
        with only_one(RECORD) as record:
            host = ComposeHost(Path.cwd(), command, key, record.lock)
            recover(host, record, plan.drain_seconds)
            roll(host, record, plan)
    except (BusyError, HostError, OSError) as error:
        print(f"rollout refused: {error}", file=sys.stderr)
        sys.exit(NOTHING_DONE)
    except BadReleaseError as error:
        print(f"rolled back: {error}", file=sys.stderr)
        sys.exit(ROLLED_BACK)
    except KeyboardInterrupt:
        sys.exit(UNFINISHED)
    except UnfinishedError as error:
        print(f"{error}; run this again", file=sys.stderr)
        sys.exit(UNFINISHED)


if __name__ == "__main__":
    main()

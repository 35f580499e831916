"""The fire drill: every link of the loop does its part, or the drill fails and names it.

`make drill` (some four minutes), on a throw-away copy in var/drill. `make drill CUT=gate` really
disables a link there; the drill must then name exactly that one.
"""

import argparse
import shutil
import signal
import sys
from pathlib import Path

from deploy.drill.cuts import CUTS, NONE
from deploy.drill.links import LINKS
from deploy.drill.report import as_table, write_report
from deploy.drill.run import drill
from deploy.local import StackError
from monitoring.working_copy import CommandError

HOME = Path("var/drill")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.drill", description=__doc__)
    cuts = "; ".join(f"{name}: {cut.told}" for name, cut in CUTS.items())
    parser.add_argument("--cut", choices=CUTS, metavar="LINK", help=f"disable one link: {cuts}")
    parser.add_argument("--home", type=Path, default=HOME, help="emptied first; %(default)s")
    parser.add_argument(
        "--cache", type=Path, help="DVC's cache: what an earlier drill has trained is not again"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what it has started ends with it
    home = arguments.home.resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    cut = CUTS.get(arguments.cut, NONE)
    try:
        drilled = drill(Path(), home, cut, arguments.cache, LINKS)
    except CommandError as error:
        sys.exit(f"make drill: the copy could not be trained: {error}")
    except StackError as error:
        sys.exit(f"make drill: {error}; see {home / 'processes.log'}")
    except KeyboardInterrupt:
        sys.exit("\nstopped")
    print(f"\n{as_table(drilled)}\n")
    for path in write_report(drilled, arguments.cut, home):
        print(f"report: {path}")
    if drilled.broken is not None:
        sys.exit(f"make drill: the link {drilled.broken.name!r} is broken: {drilled.broken.told}")
    print(f"every link has done its part, {drilled.seconds:.0f} s")


if __name__ == "__main__":
    main()

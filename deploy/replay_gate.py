"""Replay logged rows through a champion's and a candidate's images: `make replay-gate`.

Starts both with no network and no rights, asks both for every row of a frozen snapshot
(`python -m deploy.snapshot`), and holds how they differ against `replay` in params.yaml.
Ends with 0 if the candidate passes, 1 if it fails, 2 if nothing could be compared.
"""

import argparse
import json
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from contracts.bundle import load_bundle
from contracts.bundle_files import BundleError
from contracts.params import ParamsError
from contracts.replay_params import Replay, load_replay
from deploy.replaying.compare import Compared, IncomparableError, Side, compare
from deploy.replaying.container import Container, EngineError, find_image, running
from deploy.replaying.door import BrokenDoorError
from deploy.replaying.report import Replayed, as_figures, as_markdown, as_text
from deploy.replaying.rows import Snapshot, SnapshotError, read_snapshot
from deploy.replaying.verdict import has_passed, judge

OUT = Path("build/replay-gate.json")
PASSED, FAILED, INCOMPARABLE = 0, 1, 2


class NotStartedError(RuntimeError):
    """The candidate's image does not come up."""


def replay(
    champion: str, candidate: str, snapshot: Snapshot, params: Replay
) -> tuple[Replayed, Compared]:
    """Start both images, and compare.

    Raises:
        NotStartedError: the candidate's image does not come up.
        IncomparableError, EngineError: nothing can be said.
    """
    ids = find_image(champion), find_image(candidate)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        doors = [
            stack.enter_context(running(image, role, params.start_seconds))
            for image, role in zip(ids, ("champion", "candidate"), strict=True)
        ]
        sides = _champion(doors[0], place), _candidate(doors[1], place)
        found = compare(*sides, snapshot, params)
    versions = [side.bundle.version for side in sides]
    return Replayed(champion, candidate, *ids, *versions), found


def _champion(door: Container, place: Path) -> Side:
    try:
        door.wait()
        return Side(door, load_bundle(door.copy_bundle(place / "champion")))
    except (BrokenDoorError, BundleError) as error:
        raise IncomparableError(f"the champion's image does not start: {error}") from None


def _candidate(door: Container, place: Path) -> Side:
    try:
        door.wait()
        return Side(door, load_bundle(door.copy_bundle(place / "candidate")))
    except (BrokenDoorError, BundleError) as error:
        raise NotStartedError(f"the candidate's image does not start: {error}") from None


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _run(given: argparse.Namespace) -> int:
    params = load_replay(given.params)
    snapshot = read_snapshot(given.rows)
    replayed, found = replay(given.champion, given.candidate, snapshot, params)
    checks = judge(found, params)
    figures = as_figures(replayed, snapshot, found, checks, params.worst)
    _write(given.out, json.dumps(figures, indent=1) + "\n")
    markdown = as_markdown(figures, with_features=not given.hide_features)
    _write(given.out.with_suffix(".md"), markdown)
    print(as_text(figures, with_features=not given.hide_features))
    print(f"written: {given.out}, {given.out.with_suffix('.md')}")
    return PASSED if has_passed(checks) else FAILED


def _not_started(given: argparse.Namespace, error: NotStartedError) -> int:
    """A verdict without figures."""
    figures = {"passed": False, "champion": given.champion, "candidate": given.candidate,
               "error": str(error)}  # fmt: skip
    _write(given.out, json.dumps(figures, indent=1) + "\n")
    fenced = str(error).replace("```", "'''")
    _write(given.out.with_suffix(".md"), f"### Replay gate: failed\n\n```\n{fenced}\n```\n")
    print(f"failed: {error}")
    return FAILED


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.replay_gate", description=__doc__)
    parser.add_argument("--champion", required=True, metavar="IMAGE", help="what serves now")
    parser.add_argument("--candidate", required=True, metavar="IMAGE", help="what may serve next")
    parser.add_argument("--rows", type=Path, required=True, metavar="PARQUET", help="a snapshot")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--out", type=Path, default=OUT, help="and .md beside it; %(default)s")
    parser.add_argument(
        "--hide-features", action="store_true", help="no values of rows but in the JSON"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its containers end with it
    try:
        code = _run(given)
    except KeyboardInterrupt:
        code = _refuse(InterruptedError("it was stopped"))
    except NotStartedError as error:
        code = _not_started(given, error)
    except (BrokenDoorError, EngineError, IncomparableError, OSError) as error:
        code = _refuse(error)
    except (ParamsError, SnapshotError) as error:
        code = _refuse(error)
    sys.exit(code)


def _refuse(error: Exception) -> int:
    print(f"replay gate could not compare: {error}", file=sys.stderr)
    return INCOMPARABLE


if __name__ == "__main__":
    main()

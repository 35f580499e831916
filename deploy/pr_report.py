"""What a change does to the model, as Markdown for its review: `make pr-report BASE=origin/main`.

Run after `dvc repro`. The old figures are those that dvc.lock names at the commit where the change
branched off; where neither the cache nor a remote has them, the report says so.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

VERDICT = Path("build/gate.json")
CARD = Path("build/bundle/model_card.md")
MOST = 60_000  # characters: GitHub takes comments of 65,536
UNREAD = "failed to load"  # what DVC says of figures that it does not have


class ReportError(RuntimeError):
    """A command that the report needs has failed."""


def write_report(base: str, directory: Path) -> Path:
    """Write report.md and plots/index.html about the workspace against where it left `base`.

    Raises:
        ReportError: git or DVC failed; the message holds what they said.
    """
    old = _run("git", "merge-base", base, "HEAD")[0][:12]
    directory.mkdir(parents=True, exist_ok=True)
    sections = [
        f"## What this does to the model\n\nAgainst `{old}`.{_where()}",
        _gates(),
        _differences("Metrics", "metrics", old),
        _differences("Params", "params", old),
        _plots(old, directory / "plots"),
    ]
    text = "\n\n".join(sections)
    path = directory / "report.md"
    path.write_text(f"{text}\n\n{_card(MOST - len(text))}\n", encoding="utf-8")
    return path


def _gates() -> str:
    if not VERDICT.exists():
        return "### Gates\n\n**Not asked**: a stage before them failed; its log says why."
    verdict = json.loads(VERDICT.read_text(encoding="utf-8"))
    lines = [
        f"| {'yes' if rule['passed'] else '**no**'} | `{rule['rule']}` | {rule['reason']} |"
        for rule in verdict["rules"]
    ]
    told = "passed" if verdict["passed"] else "**not passed**"
    return "\n".join([f"### Gates: {told}", "", "| met | rule | why |", "|---|---|---|", *lines])


def _differences(title: str, kind: str, old: str) -> str:
    table, said = _dvc(kind, "diff", old, "--md")
    rows = table.strip().splitlines()[2:]  # without the head
    return f"### {title}\n\n{table.strip() if rows else 'No difference.'}{_missing(said)}"


def _missing(said: str) -> str:
    if UNREAD not in said:
        return ""
    return (
        "\n\n**Not compared**: neither the cache nor a DVC remote has the old figures. "
        "`dvc push` on the main branch shares them (docs/remotes.md)."
    )


def _plots(old: str, directory: Path) -> str:
    _dvc("plots", "diff", old, "--out", str(directory))
    return (
        f"### Plots\n\n`{directory.name}/index.html` beside this report; old curves where the "
        "old figures are above."
    )


def _card(room: int) -> str:
    """The card, folded; cut where a comment could not hold it."""
    if not CARD.exists():
        return "No model card: the stage that writes it did not run."
    text = CARD.read_text(encoding="utf-8").strip()
    if len(text) > room:
        text = f"{text[:room]}\n\n... cut here; all of it is build/bundle/model_card.md"
    return f"<details><summary>Model card</summary>\n\n{text}\n\n</details>"


def _where() -> str:
    """The address of the run that made it, where GitHub Actions did."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (os.environ.get(name, "") for name in names)
    return f" [The run]({server}/{repository}/actions/runs/{run}) has all files." if run else ""


def _dvc(*arguments: str) -> tuple[str, str]:
    return _run(str(Path(sys.executable).parent / "dvc"), *arguments)


def _run(*command: str) -> tuple[str, str]:
    """What it printed, and what it said on stderr."""
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        raise ReportError(f"{' '.join(command)}: {found.stderr.strip() or found.stdout.strip()}")
    return found.stdout, found.stderr


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.pr_report", description=__doc__)
    parser.add_argument("--base", default="origin/main", help="the branch that it is meant for")
    parser.add_argument("--directory", type=Path, default=Path("build/pr-report"), help="written")
    given = parser.parse_args()
    try:
        print(write_report(given.base, given.directory))
    except (ReportError, OSError) as error:
        sys.exit(f"no report: {error}")


if __name__ == "__main__":
    main()

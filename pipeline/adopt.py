"""Take a team's table: bring it to data/table, look at it, and write params.yaml for it."""

import argparse
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from contracts.params import ParamsError, load_params
from pipeline.adoption.infer import Findings, Wish, infer
from pipeline.adoption.report import report
from pipeline.adoption.write_params import is_untouched, params_text
from pipeline.frames import DatasetError
from pipeline.tables.files import open_table, write_table
from pipeline.tables.history import FILE

SEED = 20130101
BACKUP = ".bak"


class AdoptionError(RuntimeError):
    """A table cannot be adopted here; the message names what is in the way and the remedy."""


def adopt(
    address: str, query: str | None, wish: Wish, directory: Path, params: Path, today: date,
    random: np.random.Generator,
) -> tuple[Findings, list[str]]:  # fmt: skip
    """Write `directory`/table.parquet and `params`; nothing is changed when the table is refused.

    Args:
        address, query: as `open_table`.
        today: as `infer`.

    Returns:
        What was found, and notes on what was left out while reading.

    Raises:
        DatasetError: the table cannot be read or learned from.
    """
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{FILE}.tmp"
    try:
        parts = open_table(address, query)
        write_table(parts, temporary)
        findings = infer(temporary, wish, today, random)
        text = params_text(findings)
        temporary.replace(directory / FILE)
    finally:
        temporary.unlink(missing_ok=True)
    _write(params, text)
    return findings, [*dict.fromkeys(note for part in parts for note in part.notes)]


def check_params(params: Path, force: bool) -> None:
    """Refuse to replace a params.yaml that holds a person's work which git does not have.

    Raises:
        AdoptionError: it does, and `force` is not given.
    """
    if params.exists() and not force and not _known_to_git(params):
        if not is_untouched(params.read_text(encoding="utf-8")):
            raise AdoptionError(
                f"{params} was edited and is not committed; commit it, or add --force to "
                f"replace it (the old one is kept as {params.name}{BACKUP})"
            )


def track(table: Path) -> None:
    """`dvc add`, so that retrains, which work in a clone, find the table.

    Raises:
        AdoptionError: DVC is not installed, or refuses.
    """
    dvc = Path(sys.executable).parent / "dvc"
    if not dvc.exists():
        raise AdoptionError(f"{dvc} does not exist; install requirements/train.txt")
    command = [str(dvc), "add", "--quiet", str(table)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        told = (run.stderr or run.stdout).strip().splitlines() or ["no output"]
        raise AdoptionError(f"`dvc add {table}` failed: {told[-1]}; run from the project's root")


def _write(params: Path, text: str) -> None:
    if params.exists() and not _known_to_git(params):
        shutil.copy2(params, params.with_name(params.name + BACKUP))
    temporary = params.with_name(f".{params.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(params)


def _known_to_git(path: Path) -> bool:
    """Whether git has the file exactly as it is."""
    git = shutil.which("git")
    if git is None:
        return False
    parent, name = path.resolve().parent, path.name
    tracked = [git, "-C", str(parent), "ls-files", "--error-unmatch", "--", name]
    changed = [git, "-C", str(parent), "diff", "--quiet", "HEAD", "--", name]
    return all(
        subprocess.run(command, capture_output=True, check=False).returncode == 0
        for command in (tracked, changed)
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.adopt", description=__doc__,
        epilog="Example: python -m pipeline.adopt --data churn.csv --target churned",
    )  # fmt: skip
    parser.add_argument(
        "--data", required=True,
        help="CSV, Parquet or JSON lines: a file, a directory, an address such as s3://bucket/folder"
        " or a pattern with *; or a database's URL",
    )  # fmt: skip
    parser.add_argument("--target", required=True, help="the column to predict")
    parser.add_argument("--timestamp", help="the column that says when a row became a question")
    parser.add_argument("--task", choices=["binary", "multiclass", "regression"])
    parser.add_argument("--id", help="a column whose rows belong together, as of one customer")
    parser.add_argument("--query", help="for a database: SQL or a table's name")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="written")
    parser.add_argument("--table", type=Path, default=Path("data/table"), help="written: directory")
    parser.add_argument("--force", action="store_true", help="replace params.yaml if it was edited")
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    wish = Wish(given.target, given.timestamp, given.id, given.task)
    try:
        check_params(given.params, given.force)
        today, random = datetime.now(UTC).date(), np.random.default_rng(SEED)
        found, notes = adopt(
            given.data, given.query, wish, given.table, given.params, today, random
        )
        load_params(given.params)
        track(given.table / FILE)
    except (AdoptionError, DatasetError, ParamsError) as error:
        sys.exit(str(error))
    sys.stdout.write(report(found, notes, str(given.params)))


if __name__ == "__main__":
    main()

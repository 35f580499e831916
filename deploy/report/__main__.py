"""Writes report/perennial.pdf, and the page that it is printed from: `make report`.

`python -m deploy.report`, after `dvc repro`, in the project's root. It starts a throw-away copy of
the product for its pictures and needs Chromium.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from client import ClientError
from contracts.bundle import load_bundle
from contracts.bundle_files import BundleError
from contracts.params import Params, ParamsError, load_params
from deploy.local import StackError
from deploy.report.chromium import find_chromium, print_pdf
from deploy.report.measured import read_measured
from deploy.report.render import Edition, render
from deploy.report.sources import ReportError, read_sources
from deploy.report.tour import Tour, take_tour
from deploy.report.trim import keep_small

OUT = Path("report")
SCREENS = "screens"
PAGES = re.compile(rb"/Type\s*/Page\b")


def write_report(root: Path, out: Path, with_tour: bool, say: Callable[[str], None]) -> Path:
    """The PDF, its page and its pictures in `out`; the PDF's path.

    Raises:
        ReportError: a file of the pipeline is missing, or there is no Chromium.
        StackError, ClientError: the throw-away copy did not start, or did not answer.
    """
    find_chromium()
    params = load_params(root / "params.yaml")
    _refuse_other_tasks(params)
    out.mkdir(parents=True, exist_ok=True)
    say("reading what the pipeline and the benchmarks wrote ...")
    contents, measured = read_sources(root), read_measured(root)
    tour = _tour(root, out, params, say) if with_tour else None
    say("drawing and writing ...")
    edition = Edition(datetime.now(UTC), _commit(root), load_bundle(root / "build/bundle").version)
    page, pdf = out / "perennial.html", out / "perennial.pdf"
    page.write_text(render(contents, measured, tour, edition, root), encoding="utf-8")
    say("printing ...")
    print_pdf(page, pdf)
    return pdf


def count_pages(pdf: Path) -> int:
    """How many pages Chromium's PDF has."""
    return len(PAGES.findall(pdf.read_bytes()))


def _refuse_other_tasks(params: Params) -> None:
    if params.data.task != "binary":
        raise ReportError(
            f"the report is written for yes-or-no questions, and this one is {params.data.task}; "
            "build/bundle/model_card.html tells how good the model is"
        )


def _tour(root: Path, out: Path, params: Params, say: Callable[[str], None]) -> Tour:
    pictures = out / SCREENS
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir()
    say("starting a throw-away copy ...")
    with tempfile.TemporaryDirectory(prefix="perennial-report-") as home:
        return take_tour(root, Path(home), pictures, params, say)


def _commit(root: Path) -> str:
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not in git"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.report", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="directory; %(default)s")
    parser.add_argument("--no-tour", action="store_true", help="without the running system")
    parser.add_argument(
        "--pictures", type=Path, help="keep small pictures of pages there too, as README.md has"
    )
    given = parser.parse_args()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", flush=True)

    try:
        pdf = write_report(Path(), given.out, not given.no_tour, say)
        if given.pictures:
            keep_small(given.out / SCREENS, given.pictures)
    except (ReportError, StackError, ClientError, BundleError, ParamsError) as error:
        sys.exit(f"make report: {error}")
    say(f"{pdf}: {count_pages(pdf)} pages")


if __name__ == "__main__":
    main()

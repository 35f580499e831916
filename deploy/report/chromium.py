"""A headless Chromium, which draws pictures of pages and the PDF.

As a command it fails where there is none, before anything is trained.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.report.sources import ReportError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 120
WAIT_MS = 3000  # in which parts of a page that come later are there
SCALE = 1.5  # of pictures, so that their letters are sharp on paper
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--disable-background-networking", "--no-first-run",
)  # fmt: skip


def find_chromium() -> str:
    """Its path.

    Raises:
        ReportError: there is none on this machine.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise ReportError(
            "no Chromium on this machine, which prints the report; `apt-get install chromium` "
            "(Debian), `brew install --cask chromium` (macOS), or Google Chrome does as well"
        )
    return found


def shoot(url: str, picture: Path, width: int, height: int) -> None:
    """A PNG of the upper part of a page.

    Raises:
        ReportError: the browser made none.
    """
    _run(
        picture,
        f"--screenshot={picture}",
        f"--window-size={width},{height}",
        f"--virtual-time-budget={WAIT_MS}",
        f"--force-device-scale-factor={SCALE}",
        url,
    )


def print_pdf(page: Path, pdf: Path) -> None:
    """The page as a PDF with bookmarks.

    Raises:
        ReportError: the browser made none.
    """
    _run(
        pdf,
        f"--print-to-pdf={pdf}",
        "--no-pdf-header-footer",
        "--generate-pdf-document-outline",
        page.resolve().as_uri(),
    )


def _run(made: Path, *arguments: str) -> None:
    made.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="perennial-report-") as profile:
        command = [find_chromium(), *_FLAGS, f"--user-data-dir={profile}", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise ReportError(f"Chromium made no {made.name} within {SECONDS} s") from None
    if not made.exists():
        raise ReportError(f"Chromium made no {made.name}: {done.stderr.strip()[-500:]}")


def main() -> None:
    about = "Fails if there is no Chromium here, which draws pages and prints the report."
    argparse.ArgumentParser(prog="python -m deploy.report.chromium", description=about).parse_args()
    try:
        find_chromium()
    except ReportError as error:
        sys.exit(f"make report: {error}")


if __name__ == "__main__":
    main()

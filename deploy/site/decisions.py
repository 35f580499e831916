"""The list of decisions, from docs/adr/."""

import re
from pathlib import Path

_STATUS = re.compile(r"^Date: ([\d-]+)\. Status: (.+)$", re.MULTILINE)


def titles(directory: Path) -> dict[str, str]:
    """The heading of each record by file name, in their order."""
    files = sorted(directory.glob("[0-9]*.md"))
    return {file.name: file.read_text().partition("\n")[0].lstrip("# ") for file in files}


def index(directory: Path) -> str:
    """A page that lists them."""
    lines = ["# Decisions", "", "Why things are as they are, with the measurement behind each.", ""]
    lines += ["| decision | date | status |", "|---|---|---|"]
    for name, title in titles(directory).items():
        found = _STATUS.search((directory / name).read_text())
        date, status = (found[1], found[2].rstrip(".")) if found else ("", "")
        lines.append(f"| [{title}]({name}) | {date} | {status} |")
    return "\n".join([*lines, ""])

"""Names of documents and files in the words of the code, as links and as code."""

import re
from pathlib import Path

_ADR = re.compile(r"docs/adr/(\d{4})(?!\S*\.md)(?: and (\d{4}))?")
_DOCUMENT = re.compile(r"docs/([\w/-]+)\.md")
_FILE = re.compile(
    r"(?<![\w`/])(?:contracts|pipeline|service|monitoring|deploy|build|data)/[\w/*]+(?:\.\w+)?"
)


def refer(text: str, root: Path) -> str:
    """For a page in reference/: ADRs and documents are links, files of the code are code."""

    def decisions(match: re.Match[str]) -> str:
        return " and ".join(_decision(number, root) for number in match.groups() if number)

    text = _FILE.sub(lambda match: f"`{match[0]}`", text)
    text = _DOCUMENT.sub(lambda match: f"[{match[1].rpartition('/')[2]}](../{match[1]}.md)", text)
    return _ADR.sub(decisions, text)


def _decision(number: str, root: Path) -> str:
    (file,) = (root / "docs" / "adr").glob(f"{number}-*.md")
    return f"[ADR {int(number)}](../adr/{file.name})"

"""Links of pages to files that are not pages: on the site they lead to a page made from the file.

In the repository such a link works as it is; on the site there is nothing above docs/.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

# Files of the root that are pages of the site, and where.
ROOT_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
# What a page of the site is made from: in the repository a link leads to that, here to the page.
_PAGES = {
    **ROOT_PAGES,
    "params.yaml": "reference/params.md",
    "contracts/settings.py": "reference/settings.md",
    "service/api/document.py": "reference/api.md",
    "deploy/site/commands.py": "reference/commands.md",
    "Makefile": "reference/make.md",
    "README.md": "index.md",
    "docs": "index.md",
    "docs/adr": "adr/index.md",
    "docs/deploy": "deploy/README.md",
}
_LINK = re.compile(r"(?<=\]\()(?![a-z+]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
_FENCED = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def bring_inside(text: str, file: str, page: str, root: Path) -> str:
    """Markdown whose links stay inside the site; of one that leads nowhere MkDocs tells.

    Args:
        file: where the text is in the repository, "docs/metrics.md".
        page: where the site has it, "metrics.md".
    """

    def replaced(match: re.Match[str]) -> str:
        leads = _page_of(_target(match, file), root)
        if leads is None:
            return match[0]
        return posixpath.relpath(leads, posixpath.dirname(page) or ".") + (match[2] or "")

    return _outside_fences(text, lambda prose: _LINK.sub(replaced, prose))


def outside(text: str, file: str, root: Path) -> set[str]:
    """The files to which a text links for which `source_page` has to make pages."""
    prose = _FENCED.sub("", text)
    targets = {_target(match, file) for match in _LINK.finditer(prose)}
    return {target for target in targets if _page_of(target, root) == source_name(target)}


def source_name(file: str) -> str:
    """Where the page of a file is; MkDocs leaves out what begins with a dot."""
    return "source/" + re.sub(r"(^|/)[.]", r"\1dot-", file) + ".md"


def source_page(file: str, root: Path) -> str:
    """The file as a page; search leaves it out."""
    text = (root / file).read_text()
    suffix = PurePosixPath(file).suffix.lstrip(".") or "text"
    fence = "~" * (max((len(run) for run in re.findall("~+", text)), default=0) + 3)
    head = f"---\ntitle: {PurePosixPath(file).name}\nsearch: {{exclude: true}}\n---\n\n# {file}\n\n"
    told = "As in the checkout that this site was built from.\n\n"
    return f"{head}{told}{fence}{suffix}\n{text}\n{fence}\n"


def _target(match: re.Match[str], file: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), match[1]))


def _page_of(target: str, root: Path) -> str | None:
    if target in _PAGES:
        return _PAGES[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    is_file = not target.startswith("..") and (root / target).is_file()
    return source_name(target) if is_file else None


def _outside_fences(text: str, change: Callable[[str], str]) -> str:
    parts, at = [], 0
    for fence in _FENCED.finditer(text):
        parts += [change(text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, change(text[at:])])

"""Looks at every page of the built site: links, anchors, and that nothing comes from elsewhere.

`python -m deploy.site.links build/site`; MkDocs checks Markdown, this what came of it, the theme's
parts too. Where links to other sites lead is not asked: a build needs no network.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Elements that a browser fetches by itself, and by which attribute.
_FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href",
            "object": "data", "embed": "src", "video": "src", "audio": "src"}  # fmt: skip
_NAMED = {"canonical", "next", "prev", "author", "license"}  # link elements that only name


@dataclass
class _Page(HTMLParser):
    """What a page links to, fetches, and can be linked to by."""

    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        fetches = tag != "link" or not set(given.get("rel", "").split()) & _NAMED
        if fetches and (address := given.get(_FETCHED.get(tag, ""), "")):
            self.fetched.append(address)


def problems(site: Path) -> Iterator[str]:
    """Each in a line: the page, and what is wrong with it."""
    pages = {path.resolve(): _read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for address in page.fetched:
            if urlsplit(address).scheme not in ("", "data") or address.startswith("//"):
                yield f"{name}: fetches {address}"
        for address in {*page.links, *page.fetched}:
            yield from (f"{name}: {told}" for told in _leads_nowhere(path, address, pages, site))


def _leads_nowhere(path: Path, address: str, pages: dict[Path, _Page], site: Path) -> Iterator[str]:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or path.name == "404.html":  # its addresses begin with /
        return
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file() or site.resolve() not in target.parents:
        yield f"{address} leads nowhere"
    elif (
        parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors
    ):
        yield f"{address}: no such place on the page"


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text())
    return page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.site.links", description=__doc__)
    parser.add_argument("site", type=Path)
    site = parser.parse_args().site
    found = list(problems(site))
    pages = len(list(site.rglob("*.html")))
    if found or not pages:
        sys.exit("\n".join([*found, f"{len(found)} broken links on {pages} pages of {site}"]))


if __name__ == "__main__":
    main()

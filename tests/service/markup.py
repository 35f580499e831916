"""What of a page is markup that none of our templates has."""

from html.parser import HTMLParser

_OURS = frozenset({"href", "src", "action"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.odd: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.scripts += tag == "script"
        if tag in {"img", "iframe", "object", "embed", "base", "style", "math", "video", "use"}:
            self.odd.append(tag)
        self.odd += [name for name in names if name.startswith("on") or name in {"style", "srcdoc"}]
        places = [value or "" for name, value in attrs if name in _OURS]
        self.odd += [one for one in places if not one.startswith(("/", "#"))]
        self.odd += [one for one in places if one.startswith("//")]


def odd_markup(page: str) -> list[str]:
    """Tags, attributes and places that a value has made; empty = every value stayed text."""
    reader = _Reader()
    reader.feed(page)
    return reader.odd + ["script"] * (reader.scripts - 2)  # two are ours, of every page

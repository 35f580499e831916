"""What a browser would make of a page: its tags, its words, and whether a script could run."""

from html.parser import HTMLParser

_RUNNING = ("script", "iframe", "object", "embed", "base", "style", "template", "math", "video")
_ADDRESSES = ("href", "src", "action", "hx-get", "hx-post", "xlink:href", "srcdoc")


class Page(HTMLParser):
    """Tags with their attributes, and all text as people read it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        self.words += " " if tag in ("td", "th") else ""

    def handle_data(self, data: str) -> None:
        self.words += data

    def links(self, start: str) -> list[str]:
        found = [attributes.get("href", "") for tag, attributes in self.tags if tag == "a"]
        return [link for link in found if link.startswith(start)]


def what_could_run(text: str) -> list[str]:
    """Whatever is no plain markup of ours: scripts, handlers, styles, addresses elsewhere."""
    found = []
    for tag, attributes in Page(text).tags:
        ours = tag == "script" and attributes.get("src", "").startswith("/assets/")
        if tag in _RUNNING and not ours:
            found.append(tag)
        found += [
            f"{tag} {name}" for name in attributes if name.startswith("on") or name == "style"
        ]
        for name in _ADDRESSES:
            if not attributes.get(name, "/").startswith(("/", "#", "?")):
                found.append(f"{tag} {name}={attributes[name]}")
        if any(attributes.get(name, "").startswith("//") for name in _ADDRESSES):
            found.append(f"{tag} leads away")
    return found

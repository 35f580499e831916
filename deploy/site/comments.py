"""The comments of params.yaml and of the sections in contracts/, by the key that they explain."""

import inspect
import re
from collections.abc import Iterator

import yaml

_COMMENT = re.compile(r"(?:^|\s)# ?(.*)$")


def comments_of_yaml(text: str) -> dict[str, str]:
    """Comment by dotted key; one line may explain several keys of a flow mapping."""
    root = yaml.compose(text)
    return dict(_walk(root, (), text.splitlines())) if root else {}


def comments_of_class(section: type) -> dict[str, str]:
    """Comment by field, from the class's source."""
    lines = inspect.getsource(section).splitlines()
    found = {}
    for number, line in enumerate(lines):
        field = re.match(r"    ([a-z][a-z0-9_]*): ", line)
        if field and (words := _words(lines, number)):
            found[field[1]] = words
    return found


def _walk(node: yaml.Node, path: tuple[str, ...], lines: list[str]) -> Iterator[tuple[str, str]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        here = (*path, key.value)
        if words := _words(lines, key.start_mark.line):
            yield ".".join(here), words
        yield from _walk(value, here, lines)


def _words(lines: list[str], number: int) -> str:
    """The comment that ends a line, with the lines below that are nothing but its continuation."""
    found = _COMMENT.search(lines[number])
    if not found:
        return ""
    column, words = lines[number].rindex("# "), [found[1]]
    for line in lines[number + 1 :]:
        if line[:column].strip() or not line[column:].startswith("# "):
            break
        words.append(line[column + 2 :])
    return " ".join(words)

"""Pieces of the pages that are made from the code."""

from collections.abc import Iterable, Sequence


class UndocumentedError(ValueError):
    """Something that people can set or call is not explained; the message names it."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown of one line."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(cell, line))} |\n" for line in lines)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(value: object) -> str:
    """As code, empty for nothing."""
    return f"`{value}`" if str(value) else ""


def plain(text: str) -> str:
    """Words of the code as Markdown: what looks like HTML is shown as it is."""
    return text.replace("<", "&lt;")

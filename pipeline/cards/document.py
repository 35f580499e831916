"""A document of plain texts, tables and pictures, written as Markdown or as one HTML file.

Texts may hold anything: both writers escape them.
"""

import base64
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.evaluation.texts import plain

LONGEST_CELL, LONGEST_TEXT = 200, 2000
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff;
  max-width: 1060px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; padding-bottom: .2rem;
  border-bottom: 1px solid #d8d8d8; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ececec;
  vertical-align: top; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
th { border-bottom-color: #9a9a9a; }
.wide { overflow-x: auto; }
.pictures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(380px, 1fr)); }
.pictures img { width: 100%; height: auto; }
""".strip()
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """An SVG file, in HTML only; `text` says in words what it shows."""

    svg: bytes
    text: str


@dataclass(frozen=True)
class Bullets:
    points: tuple[str, ...]


Block = str | Bullets | Table | Picture


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


def to_markdown(title: str, sections: Sequence[Section]) -> str:
    """GitHub's Markdown, without pictures."""
    parts = [f"# {escape_markdown(title)}"]
    for section in sections:
        parts.append(f"## {escape_markdown(section.title)}")
        parts += [_markdown(b) for b in section.blocks if not isinstance(b, Picture)]
    return "\n\n".join(parts) + "\n"


def to_html(title: str, sections: Sequence[Section]) -> str:
    """One file that runs no script and loads nothing."""
    body = "\n".join(
        f"<section>\n<h2>{_html_text(section.title)}</h2>\n{_html_blocks(section.blocks)}\n</section>"
        for section in sections
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_html_text(title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n"
        f"<h1>{_html_text(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def escape_markdown(text: str, longest: int = LONGEST_TEXT) -> str:
    """One line in which nothing has a meaning of its own; an underscore within a word has none."""
    line = re.sub(r"([\\`*\[\]<>|~$#&])", r"\\\1", plain(text, longest))
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    line = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)  # a numbered list
    return re.sub(r"^([-+=])(?=\s|$|[-=]*$)", r"\\\1", line)  # a list, a heading, a ruler


def _markdown(block: Block) -> str:
    if isinstance(block, Bullets):
        return "\n".join(f"- {escape_markdown(point)}" for point in block.points)
    if isinstance(block, Table):
        ruler = "|" + "---|" * len(block.head)
        return "\n".join([_markdown_row(block.head), ruler, *map(_markdown_row, block.rows)])
    return escape_markdown(block) if isinstance(block, str) else ""


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(escape_markdown(cell, LONGEST_CELL) for cell in cells) + " |"


def _html_blocks(blocks: Sequence[Block]) -> str:
    """Pictures stand side by side, after the words."""
    words = [_html(block) for block in blocks if not isinstance(block, Picture)]
    pictures = [_html(block) for block in blocks if isinstance(block, Picture)]
    if pictures:
        words.append('<div class="pictures">\n' + "\n".join(pictures) + "\n</div>")
    return "\n".join(words)


def _html(block: Block) -> str:
    if isinstance(block, Picture):
        content = base64.b64encode(block.svg).decode()
        return f'<img alt="{_html_text(block.text)}" src="data:image/svg+xml;base64,{content}">'
    if isinstance(block, Bullets):
        points = "\n".join(f"<li>{_html_text(point)}</li>" for point in block.points)
        return f"<ul>\n{points}\n</ul>"
    if isinstance(block, Table):
        head, rows = _html_row(block.head, "th"), (_html_row(row, "td") for row in block.rows)
        table = "<table>\n" + "\n".join([head, *rows]) + "\n</table>"
        return f'<div class="wide">\n{table}\n</div>'
    return f"<p>{_html_text(block)}</p>"


def _html_row(cells: Iterable[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_html_text(cell)}</{tag}>" for cell in cells) + "</tr>"


def _html_text(text: str) -> str:
    return html.escape(plain(text, LONGEST_TEXT))

"""What a drill has found: a table for the terminal, JSON for machines, a page for people."""

import json
from dataclasses import asdict
from html import escape
from pathlib import Path

from deploy.drill.run import Drilled

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Fire drill</title>
<style>body {{font: 16px sans-serif; max-width: 60em; margin: 2em auto}}
td, th {{text-align: left; padding: .3em .8em; border-bottom: 1px solid #ccc}}
.broken {{color: #b00020; font-weight: bold}} .ok {{color: #146c2e}}</style>
<h1>Fire drill: {verdict}</h1>
<table><tr><th>link</th><th>state</th><th>seconds</th><th>what was seen</th></tr>
{rows}</table></html>
"""


def as_table(drilled: Drilled) -> str:
    """One line a link."""
    return "\n".join(
        f"{each.name:10}  {each.state:11}  {each.seconds:5.1f} s" for each in drilled.tried
    )


def write_report(drilled: Drilled, cut: str | None, home: Path) -> list[Path]:
    """Write report.json and report.html; their paths."""
    broken = drilled.broken and drilled.broken.name
    figures = {
        "ok": broken is None,
        "broken": broken,
        "cut": cut,
        "seconds": round(drilled.seconds, 1),
        "links": [asdict(each) for each in drilled.tried],
    }
    data, page = home / "report.json", home / "report.html"
    data.write_text(json.dumps(figures, indent=1) + "\n")
    rows = "".join(
        f'<tr><td>{escape(each.name)}<td class="{each.state}">{each.state}'
        f"<td>{each.seconds:.1f}<td>{escape(each.told)}\n"
        for each in drilled.tried
    )
    verdict = f"{broken} is broken" if broken else "every link has done its part"
    page.write_text(PAGE.format(verdict=verdict, rows=rows))
    return [data, page]

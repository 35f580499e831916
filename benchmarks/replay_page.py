"""The replay's table and picture, for the terminal and for the reports page."""

import base64
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment
from matplotlib.figure import Figure

Months = list[dict[str, Any]]
SYSTEMS = {"live": "live champion", "never": "never retrained", "monthly": "oracle, every month"}
COUNTS = ["requests", "outcomes", "checks", "alarms", "recalibrations", "retrains", "promotions"]

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Replay</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left;white-space:nowrap}img{max-width:100%}</style>
<h1>Replay: {{ months[0].month }} to {{ months[-1].month }}</h1><p>{{ verdict }}</p>
<img alt="log-loss and ROC AUC by month" src="data:image/png;base64,{{ picture }}">
<table><tr>{% for name in header %}<th>{{ name }}{% endfor %}</tr>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}{% endfor %}</tr>{% endfor %}</table>
<h2>Retrains</h2><table>
<tr><th>started<th>state<th>why<th>gate</tr>
{% for r in retrains %}<tr><td>{{ r.started }}<td>{{ r.state }}<td>{{ r.reason }}
<td>{{ r.verdict }}</tr>{% endfor %}</table></html>
"""


def header() -> list[str]:
    """Names of the table's columns."""
    scores = [f"{measure} {name}" for measure in ("AUC", "log-loss") for name in SYSTEMS]
    return ["month", *COUNTS[:2], *scores, *COUNTS[2:]]


def rows(months: Months) -> list[list[str]]:
    """The table's cells, a list per month."""
    return [
        [m["month"], *(str(m[c]) for c in COUNTS[:2])]
        + [f"{m[measure][name]:.4f}" for measure in ("roc_auc", "log_loss") for name in SYSTEMS]
        + [str(m[c]) for c in COUNTS[2:]]
        for m in months
    ]


def as_text(months: Months) -> str:
    """The table in fixed-width columns."""
    lines = [header(), *rows(months)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def draw(months: Months) -> bytes:
    """PNG: log-loss and ROC AUC by month, promotions marked."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    names = [m["month"] for m in months]
    for axis, measure, title in zip(
        axes, ("log_loss", "roc_auc"), ("log-loss (lower is better)", "ROC AUC"), strict=True
    ):
        for system, label in SYSTEMS.items():
            style = "-" if system == "live" else "--"
            axis.plot(names, [m[measure][system] for m in months], style, marker="o", label=label)
        for m in months:
            if m["promotions"]:
                axis.axvline(m["month"], color="0.8", linewidth=8, zorder=0)
        axis.set_title(title)
        axis.grid(alpha=0.3)
    axes[0].legend(title="grey: a challenger was promoted")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()


def write_page(months: Months, retrains: list[dict[str, str]], verdict: str, reports: Path) -> None:
    """Write replay.html (self-contained) and replay.png into the reports directory."""
    picture = draw(months)
    page = Environment(autoescape=True).from_string(PAGE).render(
        months=months,
        verdict=verdict,
        picture=base64.b64encode(picture).decode(),
        header=header(),
        rows=rows(months),
        retrains=retrains,
    )  # fmt: skip
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "replay.png").write_bytes(picture)
    (reports / "replay.html").write_text(page)

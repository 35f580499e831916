"""The profile as one HTML file: no script, nothing from a network, every name escaped."""

from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from pipeline.profiling.charts import svg
from pipeline.profiling.feature_charts import PICTURES, correlations, distributions, missing_map
from pipeline.profiling.page_style import STYLE
from pipeline.profiling.profile import ColumnProfile, Profile
from pipeline.profiling.target_charts import (
    over_time,
    rate_name,
    target_by_feature,
    target_distribution,
)
from pipeline.validation.findings import LEVELS, Finding, Level, counts

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
WORDS: dict[Level, str] = {"fail": "failure", "warn": "warning", "info": "note"}


def profile_page(findings: Sequence[Finding], profile: Profile) -> str:
    """Findings, figures and pictures of a table; the same table gives the same bytes."""
    title = f"Profile of the table behind {escape(profile.target.name)}"
    sections = [
        _overview(profile),
        findings_section(findings),
        *_pictures_of_target(profile),
        *_pictures_of_features(profile),
        columns_table(profile),
    ]
    body = "\n".join(section for section in sections if section)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def findings_section(findings: Sequence[Finding]) -> str:
    """Each broken rule, worst first."""
    numbers = counts(findings)
    badges = " ".join(
        f'<span class="badge {level}">{numbers[level]} {WORDS[level]}'
        f"{'' if numbers[level] == 1 else 's'}</span>"
        for level in LEVELS
    )
    items = "\n".join(_finding(finding) for finding in findings)
    shown = f"<ul class='findings'>\n{items}\n</ul>" if items else "<p>Every rule is kept.</p>"
    return f'<section id="findings">\n<h2>Findings</h2>\n<p>{badges}</p>\n{shown}\n</section>'


def columns_table(profile: Profile) -> str:
    """One row per column: exact figures of the labelled rows."""
    heads = ("column", "kind", "missing", "distinct", "minimum", "median", "maximum",
             "commonest", "example", "association")  # fmt: skip
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    rows = "\n".join(_row(column) for column in (profile.target, *profile.columns))
    return (
        '<section id="columns">\n<h2>Columns</h2>\n<p class="note">Of the rows with a target, '
        "which comes first. The association with the target goes from 0 to 1: the share of its "
        'variance that the column alone explains.</p>\n<div class="wide"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n</section>"
    )


def picture(name: str, heading: str, figure: Figure | None, caption: str) -> str:
    """A section with a picture that screen readers know by its caption; empty without one."""
    if figure is None:
        return ""
    drawn = svg(figure).replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)
    return (
        f'<section id="{name}">\n<h2>{heading}</h2>\n<figure>\n<div class="wide">{drawn}</div>\n'
        f"<figcaption>{escape(caption)}</figcaption>\n</figure>\n</section>"
    )


def _overview(profile: Profile) -> str:
    period = " to ".join(profile.period) + " (UTC)" if profile.period else "no timestamp"
    on_disk, typed = profile.megabytes
    facts = {
        "Rows": f"{profile.rows:,}",
        "Without a target": f"{profile.without_outcome:,}",
        "Features": f"{len(profile.columns):,}",
        "Task": profile.task,
        "Period": period,
        "On disk": f"{on_disk:.1f} MB",
        "Typed, in memory": f"{typed:.1f} MB",
        "Rows in pictures": f"{len(profile.sample):,}",
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts.items())
    return f'<section id="overview">\n<dl>{items}</dl>\n</section>'


def _pictures_of_target(profile: Profile) -> list[str]:
    rate = rate_name(profile)
    few = f" Only the {PICTURES} most relevant." if len(profile.columns) > PICTURES else ""
    return [
        picture("target", "Target", target_distribution(profile),
                f"How {profile.target.name} is distributed."),
        picture("time", "Over time", over_time(profile),
                f"Rows and {rate}, by day, week or month of {_times(profile)}."),
        picture("by-feature", "Target by feature", target_by_feature(profile),
                f"Dots: {rate}, in bins of each feature, which hold about as many rows each, or in "
                "its commonest categories. Bars: how many rows they hold. Numbers in titles: "
                f"association with the target.{few}"),
    ]  # fmt: skip


def _pictures_of_features(profile: Profile) -> list[str]:
    few = f" Only the {PICTURES} most relevant." if len(profile.columns) > PICTURES else ""
    gaps = missing_map(profile)
    return [
        picture("distributions", "Distributions", distributions(profile),
                "Rows of the sample by value of each feature, strongest association with the "
                "target first. The outer bars also hold the half percent of rows beyond "
                f"them.{few}"),
        picture("correlations", "Correlations", correlations(profile),
                "Spearman's correlation of each pair of ordered columns: 1 = they rise together, "
                "-1 = one falls as the other rises."),
        picture("missing", "Missing values", gaps,
                "Share of missing values, column by column, from the first rows to the last: the "
                "darker, the more. The table's own order of rows shows when a source had gaps.")
        or '<section id="missing">\n<h2>Missing values</h2>\n<p>No value is missing.</p>'
           "\n</section>",
    ]  # fmt: skip


def _times(profile: Profile) -> str:
    return " to ".join(profile.period) if profile.period else "no time"


def _finding(finding: Finding) -> str:
    examples = "".join(
        f"<li>row {e.row} of {escape(e.file)}: <code>{escape(e.value)}</code></li>"
        for e in finding.examples
    )
    shown = f"<details><summary>Examples</summary><ul>{examples}</ul></details>" if examples else ""
    return (
        f'<li class="{finding.severity}"><strong>{WORDS[finding.severity]}: {finding.rule}'
        f"</strong> {escape(finding.message)}{shown}</li>"
    )


def _row(column: ColumnProfile) -> str:
    top = ", ".join(f"{text} ({count:,})" for text, count in column.top)
    strength = "" if column.association is None else f"{column.association:.3f}"
    cells = (column.kind, f"{column.missing:.1%}", f"{column.distinct:,}", column.low,
             column.middle, column.high, top, column.example, strength)  # fmt: skip
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(column.name)}</th>{shown}</tr>'

"""A verdict as JSON for machines, as a table for a terminal, as Markdown for a pull request."""

import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deploy.replaying.compare import Compared
from deploy.replaying.rows import Row, Snapshot
from deploy.replaying.verdict import Check, has_passed

SHOWN_SEGMENTS = 5
TINY = 5e-5  # what would be shown as 0.0000
WORDS = {True: "pass", False: "FAIL", None: "-"}


@dataclass(frozen=True)
class Replayed:
    """What was replayed: images as they were named and their ids, versions of their bundles."""

    champion: str
    candidate: str
    champion_id: str
    candidate_id: str
    champion_version: str
    candidate_version: str


def as_figures(
    replayed: Replayed, snapshot: Snapshot, found: Compared, checks: list[Check], worst: int
) -> dict[str, Any]:
    """Everything, as JSON takes it; the other two forms are drawn from it."""
    return {
        "passed": has_passed(checks),
        "same_model": found.same_model,
        **asdict(replayed),
        "snapshot": snapshot.sha256,
        "from": snapshot.first.isoformat() if snapshot.first else None,
        "to": snapshot.last.isoformat() if snapshot.last else None,
        "rows": len(snapshot.rows),
        "compared": len(found.difference.rows) if found.difference else 0,
        "columns_added": list(found.added),
        "columns_removed": list(found.removed),
        "not_answered_by_champion": [row.name for row in found.unasked],
        "checks": [asdict(check) for check in checks],
        "failed": list(_failed(found)),
        "worst": list(_worst(found, worst)),
        "segments": [asdict(segment) for segment in found.segments],
    }


def _named(row: Row) -> dict[str, Any]:
    return {"row": row.number, "prediction_id": row.prediction_id, "features": row.features}


def _failed(found: Compared) -> Iterator[dict[str, Any]]:
    for number, failure in found.candidate.failures.items():
        if number in found.champion.answers:
            yield {**_named(failure.row), "told": failure.told, "ended": failure.ended}


def _worst(found: Compared, most: int) -> Iterator[dict[str, Any]]:
    """Rows whose scores differ most; none that are equal."""
    difference = found.difference
    if difference is None:
        return
    for place in np.argsort(-np.abs(difference.shifts), kind="stable")[:most].tolist():
        if difference.shifts[place] == 0:
            return
        yield {
            **_named(difference.rows[place]),
            "champion": difference.champion[place].tolist(),
            "candidate": difference.candidate[place].tolist(),
            "shift": float(difference.shifts[place]),
            "flipped": bool(difference.flips[place]),
        }


def as_text(figures: dict[str, Any], *, with_features: bool = True) -> str:
    """For a terminal."""
    lines = [*_head(figures), ""]
    width = max(len(check["name"]) for check in figures["checks"])
    for check in figures["checks"]:
        limit = f"  (limit {check['limit']})" if check["limit"] else ""
        lines.append(f"{WORDS[check['passed']]:4}  {check['name']:{width}}  {check['seen']}{limit}")
    for title, names, rows in _tables(figures, with_features):
        lines += ["", title, *_aligned([names, *rows])]
    return "\n".join([*lines, "", _conclusion(figures)])


def as_markdown(figures: dict[str, Any], *, with_features: bool = True) -> str:
    """For a comment; values of rows are escaped."""
    lines = [
        f"### Replay gate: {_conclusion(figures)}",
        "",
        *(f"{_cell(line)}  " for line in _head(figures)),
        "",
    ]
    checks = [
        [WORDS[check["passed"]], check["name"], check["seen"], check["limit"]]
        for check in figures["checks"]
    ]
    lines += _grid(["", "check", "seen", "limit"], checks)
    for title, names, rows in _tables(figures, with_features):
        lines += [
            "",
            f"<details><summary>{title}</summary>",
            "",
            *_grid(names, rows),
            "",
            "</details>",
        ]
    return "\n".join(lines) + "\n"


def _head(figures: dict[str, Any]) -> list[str]:
    lines = [
        f"{role:9}  {figures[role]}  {figures[f'{role}_id'][:19]}  "
        f"model {figures[f'{role}_version']}"
        for role in ("champion", "candidate")
    ]
    spanned = f", {figures['from'][:10]} to {figures['to'][:10]}" if figures["from"] else ""
    lines.append(
        f"snapshot   {figures['rows']} rows{spanned}, {figures['compared']} compared, "
        f"sha256 {figures['snapshot']}"
    )
    kind = "the same model" if figures["same_model"] else "another model"
    lines.append(f"limits     those of {kind}")
    for key, told in (
        (
            "columns_added",
            "only the candidate knows these columns; they were sent where rows have them",
        ),
        ("columns_removed", "the candidate no longer knows these columns"),
        ("not_answered_by_champion", "not compared, for the champion did not answer them"),
    ):
        if figures[key]:
            shown = ", ".join(map(str, figures[key][:10]))
            lines.append(
                f"note       {told}: {shown}" + (", ..." if len(figures[key]) > 10 else "")
            )
    return lines


def _tables(
    figures: dict[str, Any], with_features: bool
) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, column names and rows of what is not empty."""
    last = ["features"] if with_features else []
    if figures["failed"]:
        rows = [
            [*_id(row), row["told"], *_features(row, with_features)] for row in figures["failed"]
        ]
        yield "Rows that only the candidate fails", ["row", "prediction", "told", *last], rows
    if figures["worst"]:
        rows = [
            [*_id(row), _scores(row["champion"]), _scores(row["candidate"]),
             "yes" if row["flipped"] else "", *_features(row, with_features)]
            for row in figures["worst"]
        ]  # fmt: skip
        names = ["row", "prediction", "champion", "candidate", "flipped", *last]
        yield "Rows whose scores differ most", names, rows
    moved = [each for each in figures["segments"] if abs(each["mean_shift"]) >= TINY][
        :SHOWN_SEGMENTS
    ]
    if moved:
        rows = [
            [each["column"], each["category"], str(each["rows"]), f"{each['mean_shift']:+.4f}",
             f"{each['flips']:.2%}"]
            for each in moved
        ]  # fmt: skip
        yield (
            "Segments that shift most",
            ["column", "category", "rows", "mean shift", "flips"],
            rows,
        )


def _id(row: dict[str, Any]) -> list[str]:
    return [str(row["row"]), row["prediction_id"] or ""]


def _features(row: dict[str, Any], shown: bool) -> list[str]:
    return [json.dumps(row["features"])] if shown else []


def _scores(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.6f}" for value in values)


def _conclusion(figures: dict[str, Any]) -> str:
    failed = [check["name"] for check in figures["checks"] if check["passed"] is False]
    return f"failed: {', '.join(failed)}" if failed else "passed"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _grid(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(names), ["---"] * len(names), *([_cell(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(text: str) -> str:
    """Text that Markdown shows as it is: no row may write a link, a name or a new column."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"&#{ord(char)};" if char in "|`*_[]()!@#~\\" else char for char in plain)

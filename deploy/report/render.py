"""Puts facts, pictures and words together: what the files hold -> one HTML page."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from contracts.params import Params
from deploy.report import data_pictures, facts, loop_pictures, model_pictures
from deploy.report.measured import Measured, table_of
from deploy.report.selected import BLOCKS, select
from deploy.report.sources import SOURCES, Contents
from deploy.report.tour import Tour
from deploy.report.wording import FILTERS
from pipeline.evaluation.bootstrap import CONFIDENCE
from pipeline.flights import LATE_MINUTES

CONTENTS = {
    "summary": "In brief",
    "problem": "The problem and its data",
    "preparation": "From the table to training",
    "evaluation": "Candidates, choice and quality",
    "deployment": "How it is put to use",
    "screens": "The running system",
    "monitoring": "Watched and kept alive",
    "challenges": "What was hard, and how it was met",
    "conclusion": "Conclusion and next steps",
    "words": "Words",
    "origins": "Where the numbers come from",
}
TOLD = ("meanings", "steps", "tasks", "seen", "asked", "systems", "harms")  # of told.html
IMAGE = re.compile(r"\$\{[A-Z_]+:-(.+)\}")


@dataclass(frozen=True)
class Edition:
    """What tells this report from another: when and of what it was made."""

    made: datetime
    commit: str
    version: str


def render(
    contents: Contents, measured: Mapping[str, Measured], tour: Tour | None, edition: Edition,
    root: Path,
) -> str:  # fmt: skip
    """The report as HTML.

    Args:
        contents: see read_sources.
        measured: see read_measured.
        tour: of the running system; None = it was not started.
        root: of the project, where the decisions are.
    """
    params = Params.model_validate(contents["params"])
    values = {**_facts(contents, params), **select(measured)}
    templates = Environment(
        loader=PackageLoader("deploy.report"), autoescape=True, undefined=StrictUndefined,
    )  # fmt: skip
    templates.filters.update(FILTERS)
    told = templates.get_template("told.html").module
    return templates.get_template("report.html").render(
        values, **{name: getattr(told, name) for name in TOLD},
        contents=CONTENTS, params=params, tour=tour, made=edition.made, commit=edition.commit,
        version=edition.version, figures=_figures(contents, measured, values, params),
        origins=_origins(contents, measured), adr=_decisions(root).__getitem__,
    )  # fmt: skip


def _facts(contents: Contents, params: Params) -> dict[str, Any]:
    as_they_are = ("metrics", "counts", "validation", "schema", "gate")
    return {
        **{name: contents[name] for name in as_they_are},
        "commands": {name: source.made_by for name, source in SOURCES.items()},
        "flights": params.data.source == "flights",
        "late_minutes": LATE_MINUTES,
        "interval_level": CONFIDENCE,
        "data": facts.data_facts(contents["prepared"], contents["golden"], params),
        "search": facts.search_facts(contents["search"], contents["chosen"]),
        "segments": facts.segment_facts(contents["segments"]),
        "confusion": facts.confusion_facts(contents["metrics"]),
        "importance": contents["importance"].nlargest(3, "mean").to_dict("records"),
        "stages": facts.stage_facts(contents["lock"], contents["pipeline"]),
        "replay": facts.replay_facts(contents["replay"]),
        "drift": facts.drift_facts(contents["drift"]),
        "services": [
            {"name": name, "image": IMAGE.sub(r"\1", service.get("image", ""))}
            for name, service in contents["compose"]["services"].items()
        ],
    }


def _figures(
    contents: Contents, measured: Mapping[str, Measured], values: Mapping[str, Any], params: Params
) -> dict[str, Any]:
    frame, chosen, replay = contents["prepared"], contents["chosen"], contents["replay"]
    groups = [name for name in ("carrier", "origin") if name in values["data"]["by"]]
    estimates = table_of(measured, "bench-estimate", -1)
    drift = contents["drift"]
    return {
        "by_time": data_pictures.draw_by_time(frame, params),
        "by_hour": data_pictures.draw_by_hour(frame, params),
        "by_group": data_pictures.draw_by_group(
            frame, params, groups or list(values["data"]["by"])[:2]
        ),
        "missing": data_pictures.draw_missing(values["data"]["missing"]),
        "roles": data_pictures.draw_roles(frame, contents["golden"], contents["holdout"], params),
        "search": model_pictures.draw_search(contents["search"], chosen),
        "quality": model_pictures.draw_quality(
            contents["roc"], contents["calibration"], contents["metrics"]
        ),
        "importance": model_pictures.draw_importance(contents["importance"]),
        "replay": loop_pictures.draw_replay(replay["months"]) if replay else None,
        "alarms": loop_pictures.draw_alarms(drift["false_alarm_rate"]) if drift else None,
        "estimates": loop_pictures.draw_estimates(estimates) if estimates else None,
    }


def _origins(contents: Contents, measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """Every file with whoever made it; blocks of documents after the files."""
    files = [{**asdict(source), "found": contents[name] is not None}
             for name, source in SOURCES.items()]  # fmt: skip
    blocks = [
        {"path": measured[name].document, "made_by": command, "gives": gives, "found": True}
        for name, (command, gives) in BLOCKS.items()
        if name in measured
    ]
    return files + blocks


def _decisions(root: Path) -> dict[str, str]:
    """What each decision is called, by the name of its file without the number."""
    found = {}
    for path in sorted((root / "docs" / "adr").glob("[0-9]*.md")):
        number, _, slug = path.stem.partition("-")
        title = path.read_text(encoding="utf-8").splitlines()[0].partition(". ")[2]
        found[slug] = f"Decision {int(number)}: {title}"
    return found

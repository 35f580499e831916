"""Estimated against realised performance, week by week and month by month: `make bench-estimate`.

The default model answers the flights of April to December. Each window is estimated as a check at
its end would: of outcomes, only those that were mature before each of its days. Settings were
chosen on April to June; July to December is the report. Beside it stand three guesses: the figures
of training, those of the newest mature 28 days, and CBPE from the last 28 days of training alone.
"""

import argparse
import io
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.results import write_result
from contracts.bundle import Bundle, BundleError, load_bundle
from contracts.params import EstimateParams
from contracts.schema import EVENT_TIME, OUTCOME, FeatureSchema
from monitoring.beliefs import learn
from monitoring.estimate import Estimated, estimate
from monitoring.figures import certain, figures
from pipeline import flights

BUNDLE, HOLDOUT = Path("build/bundle"), Path("build/holdout.parquet")
FIRST, LAST = pd.Timestamp("2013-04-01", tz="UTC"), pd.Timestamp("2014-01-01", tz="UTC")
REPORTED = pd.Timestamp("2013-07-01", tz="UTC")  # settings were chosen on what is before
MONTH = timedelta(days=28)
HISTORY = timedelta(days=28)  # monitoring.performance_days
# Asked for; `naive` is the guess that nothing changed since the newest mature month.
BARS = {"roc_auc": 0.038, "brier": 0.026}
COVERAGE = 0.9
STEP = 20_000


def answered_flights(bundle: Bundle) -> pd.DataFrame:
    """Flights since training with their outcome, as the database would give them back."""
    schema, model = bundle.schema, bundle.model()
    frame = flights.read()
    frame = frame[(frame.event_time >= FIRST) & frame.late.notna()].reset_index(drop=True)
    parts = [model.answers_of(frame.iloc[at : at + STEP]) for at in range(0, len(frame), STEP)]
    answers = dict(zip(schema.answers, np.concatenate(parts).astype(float).T, strict=True))
    frame = frame.rename(columns={"event_time": EVENT_TIME})
    return frame.assign(**answers, **{OUTCOME: frame["late"].astype(int)})


def windows(kind: str) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
    """Start and end of each whole week or month."""
    starts = pd.date_range(FIRST, LAST, freq="7D" if kind == "weeks" else "MS")
    yield from zip(starts, starts[1:], strict=False)


def compare(bundle: Bundle, kind: str, params: EstimateParams) -> list[dict[str, Any]]:
    """One entry a window: when, and each figure estimated, realised and guessed."""
    schema, rows = bundle.schema, answered_flights(bundle)
    reference = pd.read_parquet(io.BytesIO(bundle.files["unseen.parquet"]))
    holdout = pd.read_parquet(HOLDOUT)
    believe, usual = learn(schema, holdout), realised(schema, holdout, schema.target.name)
    found = []
    for start, end in tqdm(list(windows(kind)), kind, unit="window"):
        window = between(rows, start, end)
        past = between(rows, start - HISTORY, end)
        seen = estimate(schema, reference, past, window.drop(columns=[OUTCOME, "late"]),
                        end.to_pydatetime(), (end - start).days, params)  # fmt: skip
        late = start - timedelta(days=params.mature_days)
        month = between(rows, late - MONTH, late)
        naive = realised(schema, month, OUTCOME) if len(month) > STEP else usual
        answers = window[schema.answers].to_numpy(float)
        plain = figures(schema.target.task, answers, believe(window))
        found.append(entry(start, seen, realised(schema, window, OUTCOME),
                           {"training": usual, "naive": naive, "holdout_cbpe": plain}))  # fmt: skip
    return found


def between(rows: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    return rows[(rows[EVENT_TIME] >= start) & (rows[EVENT_TIME] < end)]


def realised(schema: FeatureSchema, rows: pd.DataFrame, column: str) -> dict[str, float]:
    answers = rows[schema.answers].to_numpy(float)
    truths = schema.target.truths(rows[column].tolist())
    return figures(schema.target.task, answers, certain(schema.target.task, truths, answers))


def entry(
    start: pd.Timestamp,
    seen: Estimated,
    came: Mapping[str, float],
    guesses: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    per_figure = {
        name: {**asdict(figure), "realised": came[name],
               **{guess: values[name] for guess, values in guesses.items()}}
        for name, figure in seen.figures.items()
    }  # fmt: skip
    return {"start": str(start.date()), "rows": seen.rows, "figures": per_figure}


def summarise(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean absolute errors and the share of intervals that held, by stretch of time and figure."""
    stretches = {
        "april_to_june": [e for e in found if pd.Timestamp(e["start"], tz="UTC") < REPORTED],
        "july_to_december": [e for e in found if pd.Timestamp(e["start"], tz="UTC") >= REPORTED],
        "april_to_december": found,
    }
    return {
        stretch: {name: _errors([e["figures"][name] for e in entries])
                  for name in entries[0]["figures"]}
        for stretch, entries in stretches.items()
    }  # fmt: skip


def _errors(values: list[dict[str, Any]]) -> dict[str, Any]:
    names = {"estimated": "value", **{n: n for n in ("naive", "training", "holdout_cbpe")}}
    errors = {
        shown: float(np.mean([abs(v[name] - v["realised"]) for v in values]))
        for shown, name in names.items()
    }
    known = [v for v in values if v["low"] is not None]
    held = [v["low"] <= v["realised"] <= v["high"] for v in known]
    width = [v["high"] - v["low"] for v in known]
    return {"windows": len(values), "error": errors, "known": len(known),
            "held": float(np.mean(held)) if held else None,
            "width": float(np.mean(width)) if width else None}  # fmt: skip


def missed(summary: Mapping[str, Any]) -> list[str]:
    """Bars that were not reached."""
    found = []
    weeks, months = (summary[kind]["april_to_december"] for kind in ("weeks", "months"))
    for name, most in BARS.items():
        errors = weeks[name]["error"]
        if errors["estimated"] > most:
            found.append(f"weekly error of {name} {errors['estimated']:.4f} > {most}")
        if errors["estimated"] >= errors["naive"]:
            found.append(f"weekly error of {name} is no better than that of the last month")
        if months[name]["held"] is not None and months[name]["held"] < COVERAGE:
            found.append(f"{months[name]['held']:.0%} of the months' {name} in their intervals")
    return found


SHOWN = {"roc_auc": "ROC AUC", "brier": "Brier", "loss": "log-loss"}
STRETCHES = {"april_to_december": "April to December", "july_to_december": "July to December"}


def as_tables(figures_: Mapping[str, Any]) -> str:
    """Markdown: errors by kind of window, then every month."""
    lines = [
        "| windows | figure | estimated | last mature month | as in training "
        "| CBPE from March alone | within the interval |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, summary in figures_["summary"].items():
        for stretch, shown in STRETCHES.items():
            for name, title in SHOWN.items():
                one = summary[stretch][name]
                errors = one["error"]
                cells = [f"{errors[n]:.4f}" for n in ("estimated", "naive", "training",
                                                      "holdout_cbpe")]  # fmt: skip
                held = "cannot be known" if one["held"] is None else f"{one['held']:.0%}"
                lines.append(f"| {one['windows']} {kind}, {shown} | {title} | {' | '.join(cells)} "
                             f"| {held} |")  # fmt: skip
    lines += ["", "| month | " + " | ".join(f"{title}: estimated | realised" for title in
              SHOWN.values()) + " |", "| --- |" + " --- |" * 2 * len(SHOWN)]  # fmt: skip
    for one in figures_["windows"]["months"]:
        cells = [_cell(one["figures"][name]) for name in SHOWN]
        lines.append(f"| {one['start'][:7]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: Mapping[str, Any]) -> str:
    interval = "" if value["low"] is None else f" ({value['low']:.3f} to {value['high']:.3f})"
    return f"{value['value']:.3f}{interval} | {value['realised']:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimate", description=__doc__)
    parser.parse_args()
    try:
        bundle = load_bundle(BUNDLE)
    except BundleError as error:
        sys.exit(f"{error}; `dvc repro` first")
    if not bundle.answers_unseen:
        sys.exit(f"{BUNDLE} is of an older format; `dvc repro` first")
    params = EstimateParams()
    found = {kind: compare(bundle, kind, params) for kind in ("weeks", "months")}
    summary = {kind: summarise(entries) for kind, entries in found.items()}
    result = {"params": json.loads(params.model_dump_json()), "summary": summary, "windows": found}
    print(as_tables(result))
    print(f"figures: {write_result('bench-estimate', result)}")
    if bars := missed(summary):
        sys.exit("missed: " + "; ".join(bars))


if __name__ == "__main__":
    main()

"""What updates are worth on the flights: `python -m benchmarks.update`

A linear model by SGD learns January to March. Every 28 days it is updated as monitoring/update.py
does, with the newest 28 days held back, and the update answers from then on if the gate lets it
pass. Beside it: the same model left alone, and the default candidate left alone. All three follow
the newest outcomes by recalibration, as in production. Log-loss on the 28 days that follow.
"""

import argparse
import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.results import write_result
from contracts.losses import row_losses
from contracts.monitoring_params import Recalibrate, Update
from contracts.params import Params, load_params
from contracts.schema import FeatureSchema
from monitoring.gate import judge
from monitoring.recalibration import Labelled, follow
from pipeline import flights
from pipeline.describe import infer_schema
from pipeline.frames import model_frame
from pipeline.prepare import prepare
from pipeline.search import Chosen, answer_rows
from pipeline.train import fit
from pipeline.update import go_on

SGD = Chosen("sgd", {"alpha": 0.0001}, -0.5, "sigmoid")
BOOSTING = Chosen(
    "gradient_boosting",
    {"learning_rate": 0.1, "max_iter": 80, "max_leaf_nodes": 15, "min_samples_leaf": 200},
    -0.5,
    "sigmoid",
)
PERIOD = pd.Timedelta(days=28)
Floats = NDArray[np.float64]


def between(frame: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    inside = (frame.event_time >= start) & (frame.event_time < end)
    return frame[inside].reset_index(drop=True)


def followed(model: Any, rows: pd.DataFrame, schema: FeatureSchema, params: Params) -> Floats:
    """Answers that have followed the outcomes before them, (n, 2)."""
    answers = answer_rows(model, model_frame(rows, schema), schema)
    truths = schema.target.truths(rows[schema.target.name].tolist())
    recalibrate = params.monitoring.recalibrate or Recalibrate()
    return follow(Labelled("binary", rows.event_time, truths, answers), recalibrate)


def update(
    model: Any, frame: pd.DataFrame, learned: pd.Timestamp, now: pd.Timestamp, *given: Any
) -> tuple[Any, bool]:
    """The updated model if the gate lets it pass, otherwise the old one."""
    schema, params = given
    held = now - pd.Timedelta(days=Update().judged_days)
    challenger = copy.deepcopy(model)
    go_on(challenger, between(frame, learned, held), schema)
    rows = between(frame, held, now)
    truths = schema.target.truths(rows[schema.target.name].tolist())
    old, new = (followed(each, rows, schema, params) for each in (model, challenger))
    verdict = judge("binary", rows.event_time, truths, old, new, params.monitoring.gate)
    return (challenger, True) if verdict.promote else (model, False)


def run(frame: pd.DataFrame, schema: FeatureSchema, params: Params) -> list[dict[str, Any]]:
    """One row per 28 days from May on."""
    begin, last = pd.Timestamp("2013-04-01", tz="UTC"), frame.event_time.max()
    known = frame[frame.event_time < begin]
    alone, boosting = (fit(each, known, schema, params) for each in (SGD, BOOSTING))
    model, learned, rows = alone, begin, []
    for now in tqdm(pd.date_range(begin + 2 * PERIOD, last - PERIOD, freq=PERIOD)):
        model, passed = update(model, frame, learned, now, schema, params)
        learned = now - PERIOD if passed else learned
        asked = between(frame, now, now + PERIOD)
        truths = schema.target.truths(asked[schema.target.name].tolist())
        each = {"alone": alone, "updated": model, "boosting alone": boosting}
        losses = {
            name: float(row_losses("binary", truths, followed(m, asked, schema, params)).mean())
            for name, m in each.items()
        }
        rows.append({"from": f"{now:%Y-%m-%d}", "rows": len(asked), "passed": passed, **losses})
    return rows


def as_table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    names = ["alone", "updated", "boosting alone"]
    lines = ["| 28 days from | update passed | sgd alone | sgd updated | boosting alone |",
             "|---|---|---|---|---|"]  # fmt: skip
    for row in rows:
        cells = " | ".join(f"{row[name]:.4f}" for name in names)
        lines.append(f"| {row['from']} | {'yes' if row['passed'] else 'no'} | {cells} |")
    weights = [row["rows"] for row in rows]
    means = [np.average([row[name] for row in rows], weights=weights) for name in names]
    lines.append("| all | | " + " | ".join(f"{mean:.4f}" for mean in means) + " |")
    return "\n".join(lines)


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.update", description=__doc__).parse_args()
    params = load_params(Path("params.yaml"))
    frame = prepare([flights.read()], params)[0]
    schema = infer_schema(frame[frame.event_time < "2013-04-01"], params)
    rows = run(frame, schema, params)
    path = write_result("update", {"rows": rows})
    print(as_table(rows), path, sep="\n")


if __name__ == "__main__":
    main()

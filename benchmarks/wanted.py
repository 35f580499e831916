"""Do wanted labels teach more than random ones? `python -m benchmarks.wanted`

A model that knows 1,000 flights of January has answered flights of February and March. So many of
them as a person can label are chosen, at random or as GET /outcomes/wanted does; the model is
fitted on all labels and judged on later flights, and on others of the same months. Pairs of the
same seed are compared, so that the luck of the draw counts once. How `wanted` weighs uncertainty
was chosen on other seeds than it is judged on.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from benchmarks.results import write_result
from contracts.losses import row_losses
from contracts.params import Params, load_params
from contracts.schema import FeatureSchema
from pipeline import flights
from pipeline.describe import infer_schema
from pipeline.frames import labels, model_frame
from pipeline.prepare import prepare
from pipeline.search import Chosen, answer_rows
from pipeline.train import fit
from service.answer.wanted import pick, uncertainty

KNOWN, CANDIDATES, JUDGED = 1000, 4000, 10_000
BUDGETS = (250, 1000)
FIRST_SEED = 300
MODELS = {
    "logistic_regression": Chosen("logistic_regression", {"C": 0.1}, -0.5, "none"),
    "gradient_boosting": Chosen(
        "gradient_boosting",
        {"learning_rate": 0.1, "max_iter": 40, "max_leaf_nodes": 15, "min_samples_leaf": 40},
        -0.5,
        "none",
    ),
}
Picks = dict[str, NDArray[np.int64]]


def months(frame: pd.DataFrame, start: str, end: str) -> pd.DataFrame:
    return frame[(frame.event_time >= start) & (frame.event_time < end)]


def draw(frame: pd.DataFrame, rows: int, generator: np.random.Generator) -> pd.DataFrame:
    chosen = generator.permutation(len(frame))[:rows]
    return frame.iloc[np.sort(chosen)].reset_index(drop=True)


def strategies(
    chances: NDArray[np.float64],
    rows: list[Mapping[str, Any]],
    schema: FeatureSchema,
    budget: int,
    generator: np.random.Generator,
) -> Picks:
    """Numbers of the candidates that each way of choosing has labelled."""
    unsure = [uncertainty("binary", float(chance), None) for chance in chances]
    return {
        "random": generator.permutation(len(rows))[:budget],
        "uncertain": np.argsort(unsure)[::-1][:budget],
        "diverse": np.array(pick([1.0] * len(rows), rows, schema, budget)),
        "wanted": np.array(pick(unsure, rows, schema, budget)),
    }


def judge(model: Any, frame: pd.DataFrame, schema: FeatureSchema) -> dict[str, float]:
    answers = answer_rows(model, model_frame(frame, schema), schema)
    truths = labels(frame, schema)
    losses = row_losses("binary", truths.astype(float), answers.astype(float))
    return {
        "log_loss": float(losses.mean()),
        "roc_auc": float(roc_auc_score(truths, answers[:, 1])),
    }


def run_seed(
    frame: pd.DataFrame, schema: FeatureSchema, params: Params, seed: int
) -> list[dict[str, Any]]:
    """One row per model, budget and way of choosing."""
    generator = np.random.default_rng(seed)
    known = draw(months(frame, "2013-01-01", "2013-02-01"), KNOWN, generator)
    both = draw(months(frame, "2013-02-01", "2013-04-01"), CANDIDATES + JUDGED, generator)
    mixed = generator.permutation(len(both))
    candidates = both.iloc[mixed[:CANDIDATES]].reset_index(drop=True)
    tests = {
        "same_months": both.iloc[np.sort(mixed[CANDIDATES:])].reset_index(drop=True),
        "later": draw(months(frame, "2013-04-01", "2013-07-01"), JUDGED, generator),
    }
    plain = candidates[schema.names].astype(object)
    rows: list[Any] = plain.where(plain.notna(), None).to_dict("records")
    found = []
    for name, chosen in MODELS.items():
        before = fit(chosen, known, schema, params)
        chances = answer_rows(before, model_frame(candidates, schema), schema)[:, 1]
        for budget in BUDGETS:
            for way, picked in strategies(chances, rows, schema, budget, generator).items():
                rest = candidates.iloc[np.sort(picked)]
                labelled = pd.concat([known, rest]).sort_values("event_time", ignore_index=True)
                model = fit(chosen, labelled, schema, params)
                facts = {"model": name, "budget": budget, "way": way, "seed": seed}
                for where, test in tests.items():
                    found.append({**facts, "test": where, **judge(model, test, schema)})
    return found


def compare(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Means over seeds, and what each way saves against random of the same seed, with its t."""
    keys = ["model", "budget", "test"]
    table = found.pivot_table(index=[*keys, "seed"], columns="way", values=["log_loss", "roc_auc"])
    rows = []
    for where, some in table.groupby(level=keys):
        for way in found.way.unique():
            saved = some["log_loss", "random"] - some["log_loss", way]
            error = saved.std(ddof=1) / np.sqrt(len(saved))
            rows.append({
                **dict(zip(keys, where, strict=True)), "way": way,
                "log_loss": round(float(some["log_loss", way].mean()), 4),
                "roc_auc": round(float(some["roc_auc", way].mean()), 4),
                "saved": round(float(saved.mean()), 4),
                "t": None if way == "random" else round(float(saved.mean() / error), 1),
            })  # fmt: skip
    return rows


def as_table(figures: dict[str, Any]) -> str:
    """Markdown: one line per model, budget and test; log-loss by way, saved against random."""
    found = pd.DataFrame(figures["rows"])
    ways = [way for way in found.way.unique() if way != "random"]
    lines = ["| model | labels | judged on | random | " + " | ".join(ways) + " |",
             "|---" * (4 + len(ways)) + "|"]  # fmt: skip
    for key, some in found.groupby(["model", "budget", "test"], sort=False):
        (model, budget, test), by = map(str, key), some.set_index("way")
        cells = [f"{by.saved[way]:+.4f} (t {by.t[way]:.1f})" for way in ways]
        start = [model, budget, test.replace("_", " "), f"{by.log_loss['random']:.4f}"]
        lines.append(f"| {' | '.join([*start, *cells])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wanted", description=__doc__)
    parser.add_argument("--seeds", type=int, default=24)
    arguments = parser.parse_args()
    params = load_params(Path("params.yaml"))
    year = flights.read()
    frame = prepare([year[year.event_time < "2013-07-01"]], params)[0]
    schema = infer_schema(months(frame, "2013-01-01", "2013-02-01"), params)
    found = []
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + arguments.seeds)):
        found += run_seed(frame, schema, params, seed)
    figures = {"seeds": arguments.seeds, "rows": compare(pd.DataFrame(found))}
    path = write_result("wanted", figures)
    print(as_table(figures), path, sep="\n")


if __name__ == "__main__":
    main()

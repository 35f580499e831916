"""A synthetic table with every kind of column, for every task."""

from pathlib import Path

import numpy as np
import pandas as pd

from contracts.params import Params, Task, load_params

KINDS = {
    "a size, in cm": "numeric",
    "class": "integer",
    "flag?": "boolean",
    "when": "datetime",
    "few": "categorical",
    'many "quoted"': "categorical",
}
CLASSES: dict[Task, list[int | str]] = {
    "binary": [0, 1], "multiclass": ["low", "mid", "high"], "regression": []
}  # fmt: skip


def make_table(task: Task, rows: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Raw rows whose `target` can be learned from the first, third and fifth column."""
    random = np.random.default_rng(seed)
    names = list(KINDS)
    frame = pd.DataFrame(
        {
            names[0]: random.normal(0, 100, rows),
            names[1]: random.integers(0, 50, rows).astype(float),
            names[2]: random.choice(["yes", "no"], rows),
            names[3]: pd.to_datetime(random.integers(-1e9, 2e9, rows), unit="s", utc=True),
            names[4]: random.choice(list("abcdefgh"), rows),
            names[5]: random.choice([f"k{i}" for i in range(120)], rows),
        }
    )
    signal = frame[names[0]] / 50 + (frame[names[4]] == "a") * 2 + (frame[names[2]] == "yes")
    noisy = signal + random.normal(0, 1, rows)
    for name in names:
        frame[name] = frame[name].where(random.random(rows) > 0.08)
    return frame.assign(target=_answers(task, noisy.to_numpy()))


def _answers(task: Task, signal: np.ndarray) -> np.ndarray:
    if task == "regression":
        return np.round(signal * 10 + 1000)  # whole numbers are no classes
    if task == "binary":
        return (signal > 1).astype(int)
    return np.array(CLASSES[task], dtype=object)[np.digitize(signal, [0, 2])]


def make_params(task: Task, **changes: object) -> Params:
    """Params for `make_table`, with a search that takes seconds."""
    shipped = load_params(Path("params.yaml")).model_dump(mode="json")
    split = "shuffled" if task == "regression" else "stratified"
    shipped["data"] = {"source": "table", "until": "2026-01-01", "task": task, "target": "target",
                       "classes": CLASSES[task], "min_rows": 40, "split": split}  # fmt: skip
    shipped["features"] = {name: {"kind": kind, "nullable": True} for name, kind in KINDS.items()}
    shipped["features"]["flag?"]["words"] = ["no", "yes"]
    linear = {"ridge": {"alpha": [1.0]}} if task == "regression" else {
        "logistic_regression": {"C": [0.1, 1.0]}}  # fmt: skip
    scoring = "neg_mean_absolute_error" if task == "regression" else "neg_log_loss"
    shipped["train"] |= {
        "candidates": {**linear, "gradient_boosting": {"max_iter": [20, 30, 40]}},
        "calibration": ["none", "sigmoid"],
        "search": {"iterations": 2, "folds": 2, "max_rows": 2000, "scoring": scoring},
    }
    shipped["evaluate"] = {"holdout_share": 0.25, "folds": 2, "bootstrap": 50}
    return Params.model_validate(shipped | changes)

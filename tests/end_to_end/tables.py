"""Tables as teams have them: five clean ones from scikit-learn, and messy ones of our own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets


@dataclass(frozen=True)
class Case:
    """A table and what must come of it.

    Attributes:
        write: puts the table at a path.
        suffix: of that path.
        options: of pipeline.adopt, besides --data.
        task: what must be inferred.
        row: a request, in one of its forms.
        answer: its prediction; None = any.
    """

    write: Callable[[Path], None]
    options: tuple[str, ...]
    task: str
    row: Any
    answer: Any = None
    suffix: str = ".csv"


def _clean(load: Callable[..., Any]) -> Callable[[Path], None]:
    return lambda path: load(as_frame=True).frame.to_csv(path, index=False)


def write_shop(path: Path) -> None:
    """Semicolons, decimal commas, days first, yes/no, unknowns, hostile names; a text target."""
    random = np.random.default_rng(1)
    rows = 600
    price = random.gamma(3, 40, rows)
    regular = random.choice(["ja", "nee"], rows)
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.sort(random.integers(0, 200, rows)), "D")
    returned = random.random(rows) < 1 / (1 + np.exp(-(price - 130) / 40 - (regular == "nee")))
    table = pd.DataFrame(
        {
            "Bestell Nr.": [f"A-{i:05d}" for i in range(rows)],
            "Preis (€), brutto": [f"{value:.2f}".replace(".", ",") for value in price],
            "class": random.choice(["sofa", "stoel", "tafel", "n/a"], rows),
            "Stamm\"kunde\"?": np.where(regular == "ja", "yes", "no"),
            "probability": random.choice(["12", "7", "?", "3"], rows, p=[0.5, 0.3, 0.1, 0.1]),
            "besteld op": days.strftime("%d/%m/%Y"),
            "leer": "",
            "retour": np.where(returned, "kommt zurück", "bleibt"),
        }
    )  # fmt: skip
    table.loc[random.random(rows) < 0.95, "class"] = ""
    table.to_csv(path, index=False, sep=";")


def write_sensors(path: Path) -> None:
    """JSON lines: mixed types, missing keys, two thousand stations, a class of two rows."""
    random = np.random.default_rng(2)
    rows = 4000
    heat = random.normal(20, 8, rows)
    state = np.where(heat < 15, "cold", np.where(heat < 25, "fine", "hot")).astype(object)
    state[[10, 20]] = "broken"
    table = pd.DataFrame(
        {
            "lambda": heat + random.normal(0, 2, rows),
            "station.name": [f"station {i}" for i in random.integers(0, 2000, rows)],
            "mode": random.choice([1, "auto", 2.5, None], rows),
            "level": random.choice([3, 4.5, "n/a"], rows, p=[0.5, 0.4, 0.1]),
            "seen at": pd.Timestamp("2024-02-28", tz="UTC")
            + pd.to_timedelta(random.integers(0, 10**7, rows), "s"),
            "ok": random.choice([True, False, None], rows),
            "état": state,
        }
    )
    table.to_json(path, orient="records", lines=True, date_format="iso")


def write_houses(path: Path) -> None:
    """Parquet of 60 columns, most of them noise; numbers as the answer, with a customer's rows."""
    random = np.random.default_rng(3)
    rows = 800
    columns: dict[str, Any] = {f"noise {i}": random.normal(size=rows) for i in range(50)}
    size = random.uniform(30, 300, rows)
    columns |= {
        "m²": np.where(random.random(rows) < 0.1, np.nan, size),
        "rooms": random.integers(1, 9, rows),
        "garden": random.random(rows) < 0.4,
        "town": random.choice([f"town {i}" for i in range(40)], rows),
        "agent": np.repeat(np.arange(rows // 4), 4),
        "only one": "x",
        "price": (size * 3000 + random.normal(0, 20_000, rows)).round(),
    }
    pd.DataFrame(columns).to_parquet(path)


CASES = {
    "iris": Case(
        _clean(datasets.load_iris), ("--target", "target"), "multiclass", [5.1, 3.5, 1.4, 0.2], 0
    ),
    "wine": Case(_clean(datasets.load_wine), ("--target", "target"), "multiclass", None),
    "breast cancer": Case(
        _clean(datasets.load_breast_cancer), ("--target", "target"), "binary", None
    ),
    "diabetes": Case(_clean(datasets.load_diabetes), ("--target", "target"), "regression", None),
    "digits": Case(_clean(datasets.load_digits), ("--target", "target"), "multiclass", None),
    "shop": Case(
        write_shop,
        ("--target", "retour", "--timestamp", "besteld op", "--id", "Bestell Nr."),
        "binary",
        {"Preis (€), brutto": 400, "Stamm\"kunde\"?": "no", "class": None, "probability": 12},
        "kommt zurück",
    ),
    "sensors": Case(
        write_sensors,
        ("--target", "état"),
        "multiclass",
        {"lambda": 38, "station.name": "station 1", "mode": "auto", "level": "n/a", "ok": True,
         "seen at": "2024-03-01T12:00:00"},
        "hot",
        suffix=".jsonl",
    ),
    "houses": Case(
        write_houses, ("--target", "price", "--id", "agent"), "regression", None, suffix=".parquet"
    ),
}  # fmt: skip

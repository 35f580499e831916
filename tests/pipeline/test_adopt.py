"""Adoption decides alone what a table's columns are; what it writes is what stages read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from pipeline.adoption.report import report
from tests.pipeline.adoption import ROWS, TODAY, adopt_frame, columns, spread

HOSTILE = [
    "a b", "a.b", "a", 'quo"te', "apo's", "ünïcode 😀", "class", "index", "probability", "values",
    "T", "shape", "null", "yes", "1", "a: b #c", "{x}", "[y]", "- dash", "back\\slash", "tab\tx",
    "new\nline", "%d {0}", "name", "y ", "\u2028sep", "<b>", "?", "*star", "&and", "!bang", "@at",
    "x" * 200,
]  # fmt: skip
DATES = pd.date_range("2021-01-01", periods=ROWS, freq="37h")


@pytest.mark.parametrize(
    ("load", "task", "classes", "kinds"),
    [
        (datasets.load_iris, "multiclass", [0, 1, 2], {"numeric": 4}),
        (datasets.load_wine, "multiclass", [0, 1, 2], {"numeric": 13}),
        (datasets.load_breast_cancer, "binary", [0, 1], {"numeric": 30}),
        (datasets.load_diabetes, "regression", [], {"numeric": 10}),
        (datasets.load_digits, "multiclass", list(range(10)), {"numeric": 61}),
    ],
)
def test_known_tables_need_no_word_of_explanation(
    load: Callable[..., object], task: str, classes: list[int], kinds: dict[str, int],
    tmp_path: Path,
) -> None:  # fmt: skip
    frame = load(as_frame=True).frame  # type: ignore[attr-defined]

    params, found = adopt_frame(frame, tmp_path, {"target": "target"})

    assert (params.data.task, params.data.classes) == (task, classes)
    assert pd.Series([f.kind for f in params.features.values()]).value_counts().to_dict() == kinds
    assert not any(feature.nullable for feature in params.features.values())
    assert params.data.split == ("shuffled" if task == "regression" else "stratified")
    assert params.data.until == TODAY
    assert set(found.left_out.values()) <= {"constant"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (spread("1", "2", "7"), {"kind": "integer"}),
        (spread("0", "1"), {"kind": "integer"}),
        (spread("1.5", "2", "-3e2", "+.5"), {"kind": "numeric"}),
        (spread("1.5", "2", "n/a", "?"), {"kind": "numeric", "missing": ["?", "n/a"]}),
        (spread("10", "20", "-", "Unknown"), {"kind": "integer", "missing": ["-", "Unknown"]}),
        (spread("1.234,56", "7,5", "12"), {"kind": "numeric", "decimal": ","}),
        (spread("1,234.56", "7.5", "12"), {"kind": "numeric"}),
        (spread("yes", "no"), {"kind": "boolean", "words": ["no", "yes"]}),
        (spread("True", "False"), {"kind": "boolean", "words": ["False", "True"]}),
        (spread("t", "f"), {"kind": "boolean", "words": ["f", "t"]}),
        (spread("Y", "N", "N/A"), {"kind": "boolean", "words": ["N", "Y"], "missing": ["N/A"]}),
        (spread("red", "green", "None"), {"kind": "categorical"}),
        (spread("01234", "98765"), {"kind": "categorical"}),  # a postcode keeps its zero
        (spread("1.2.3", "1.2.4", "2.0.0"), {"kind": "categorical"}),
        (spread("12:30", "13:45", "06:00"), {"kind": "categorical"}),
        (spread("2021-04-03", "2021-12-31"), {"kind": "datetime"}),
        (spread("2021-04-03T10:11:12Z", "2021-12-31T00:00:00+02:00"), {"kind": "datetime"}),
        (spread("03/04/2021", "25/04/2021"), {"kind": "datetime", "day_first": True}),
        (spread("03/04/2021 10:00", "04/25/2021 11:30"), {"kind": "datetime"}),
        (spread("3.4.2021", "4.5.2021"), {"kind": "datetime", "day_first": True}),
        (spread("2021/04/25", "2021/4/1", "n/a"), {"kind": "datetime", "missing": ["n/a"]}),
        (spread("2021-02-30", "2021-02-31", "2021-02-01"), {"kind": "categorical"}),
    ],
)
def test_texts_are_read_as_what_they_are(
    values: list[str], expected: dict[str, object], tmp_path: Path
) -> None:
    params, _ = adopt_frame(columns(it=values), tmp_path)

    found = params.features["it"].model_dump(exclude_defaults=True)
    assert found == {**expected, **({"nullable": True} if "missing" in expected else {})}


def test_any_name_becomes_a_feature(tmp_path: Path) -> None:
    frame = columns(**{name: spread(1.5, 2.5, 7.25) for name in HOSTILE})

    params, found = adopt_frame(frame, tmp_path)

    assert list(params.features) == ["x", *HOSTILE]
    assert not found.left_out
    lines = report(found, [], "params.yaml").splitlines()
    assert "\x1b" not in "".join(lines)


def test_any_name_can_be_target_timestamp_and_id(tmp_path: Path) -> None:
    frame = columns(**{'wh"en: #': DATES, "wh'o\n": spread(*range(50))})
    frame = frame.rename(columns={"y": "no"})
    wish = {"target": "no", "timestamp": 'wh"en: #', "id": "wh'o\n"}

    params, _ = adopt_frame(frame, tmp_path, wish)

    assert (params.data.target, params.data.timestamp, params.data.id) == tuple(wish.values())
    assert list(params.features) == ["x"]
    assert params.data.split == "time"


def test_table_with_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    frame = columns(price=random.normal(5000, 900, ROWS).round(2))
    frame["y"] = (frame["price"] * 1.5 + random.normal(0, 900, ROWS)).round(2)

    params, _ = adopt_frame(frame, tmp_path, sep=";", decimal=",")

    assert params.data.task == "regression"
    assert params.data.decimal == ","
    assert params.features["price"].decimal == ","


def test_hard_columns_stay_features(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    wide = {f"v{i}": random.normal(size=20_000).astype(np.float32) for i in range(3)}
    frame = pd.DataFrame(
        {
            "many": [f"c{i}" for i in random.integers(10_000, size=20_000)],
            "rare": np.where(random.random(20_000) < 0.05, random.normal(size=20_000), np.nan),
            "y": random.integers(2, size=20_000),
            **wide,
        }
    )

    params, found = adopt_frame(frame, tmp_path)

    assert params.features["many"].kind == "categorical"
    assert params.features["rare"].model_dump(exclude_defaults=True) == {
        "kind": "numeric",
        "nullable": True,
    }
    assert not found.left_out


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("one", [5] * ROWS, "constant"),
        ("none", [None] * ROWS, "missing in every row"),
        ("single", spread("a", None), "one value, otherwise missing"),
        ("row", range(ROWS), "a row number"),
        ("huge", spread(1.5, 2.5, 3e37), "beyond 1e+30"),
        ("absurd", spread(1.5, 2.5, 3e270), "beyond 1e+30"),
        ("customer_id", np.random.default_rng(0).permutation(9_000_000)[:ROWS], "an identifier"),
        ("token", [f"{i * 7919:08x}" for i in range(ROWS)], "an identifier"),
        ("said", [f"it was number {i} of the many that came in" for i in range(ROWS)], "free text"),
        ("copy", columns()["y"], "target in disguise"),
        ("renamed", columns()["y"].map({0: "lost", 1: "won"}), "target in disguise"),
        ("scaled", columns()["y"] * 3.5 + 1, "target in disguise"),
        ("late_fact", columns()["y"].map({0: None, 1: 3.5}), "otherwise missing"),
        ("known_later", np.where(columns()["y"], np.arange(ROWS) / 7, np.nan), "in disguise"),
    ],
)
def test_what_is_no_feature_is_left_out_with_its_reason(
    name: str, values: object, reason: str, tmp_path: Path
) -> None:
    params, found = adopt_frame(columns(**{name: values}), tmp_path)

    assert list(params.features) == ["x"]
    assert reason in found.left_out[name]
    assert f"# {name}: {found.left_out[name]}" in (tmp_path / "params.yaml").read_text()


def test_measurements_that_all_differ_stay(tmp_path: Path) -> None:
    sizes = np.random.default_rng(5).integers(0, 900_000, ROWS)

    params, _ = adopt_frame(columns(weight=np.random.default_rng(6).normal(size=ROWS), size=sizes),
                            tmp_path)  # fmt: skip

    assert list(params.features) == ["x", "weight", "size"]


@pytest.mark.parametrize(
    ("target", "task", "classes", "ignored"),
    [
        (spread("no", "yes"), "binary", ["no", "yes"], []),
        (spread("True", "False"), "binary", ["False", "True"], []),
        (spread("churned", "stayed"), "binary", ["stayed", "churned"], []),
        (spread("a", "b", "b"), "binary", ["b", "a"], []),  # the rarer one is positive
        (spread(1, 2, 2), "binary", [2, 1], []),
        (spread(1.0, 0.0), "binary", [0, 1], []),
        (spread("1", "0", "1.0", "+1", "00"), "binary", [0, 1], []),
        (spread(1.0, 0.0, None), "binary", [0, 1], []),
        (spread("low", "mid", "high"), "multiclass", ["high", "low", "mid"], []),
        ([*spread("low", "mid", "high")[2:], "odd", "odd"], "multiclass", ["high", "low", "mid"],
         ["odd"]),
        ([*spread(0, 1)[2:], 7, 7], "binary", [0, 1], [7]),
        ([*spread(0, 1)[2:], "?", "?"], "binary", [0, 1], ["?"]),
        (spread(3, 4, 5, 6, 7), "multiclass", [3, 4, 5, 6, 7], []),
        (spread("01", "02", "03"), "multiclass", ["01", "02", "03"], []),
        (spread(*range(40)), "regression", [], []),
        (spread(0.5, 1.5, 2.5), "regression", [], []),
        (spread("1.234,5", "2,25", "17,125", "8"), "regression", [], []),
    ],
)  # fmt: skip
def test_task_and_classes_follow_from_the_target(
    target: list[object], task: str, classes: list[object], ignored: list[object], tmp_path: Path
) -> None:
    frame = columns().assign(y=target)

    params, _ = adopt_frame(frame, tmp_path)

    assert (params.data.task, params.data.classes) == (task, classes)
    assert params.data.ignored_classes == ignored


def test_task_that_is_asked_for_is_taken(tmp_path: Path) -> None:
    frame = columns().assign(y=spread(3, 4, 5, 6, 7))

    assert adopt_frame(frame, tmp_path, {"task": "regression"})[0].data.task == "regression"


@pytest.mark.slow
def test_500_columns_are_adopted(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(60, 500)), columns=[f"c{i}" for i in range(500)])
    frame["y"] = random.integers(2, size=60)

    params, found = adopt_frame(frame, tmp_path)

    assert len(params.features) == 500
    assert len(report(found, [], "params.yaml").splitlines()) < 100


def test_time_splits_and_ends_with_the_newest_row(tmp_path: Path) -> None:
    params, _ = adopt_frame(columns(when=DATES), tmp_path, {"timestamp": "when"})

    assert params.data.split == "time"
    assert params.data.until == (DATES[-1] + pd.Timedelta(days=1)).date()
    assert 0.1 < params.evaluate.holdout_days / (ROWS * 37 / 24) < 0.3


def test_few_days_are_not_split_by_time(tmp_path: Path) -> None:
    hours = pd.date_range("2021-01-01", periods=ROWS, freq="10min")

    params, found = adopt_frame(columns(when=hours), tmp_path, {"timestamp": "when"})

    assert params.data.split == "stratified"
    assert "too few to split by time" in found.hints[0]


def test_a_time_column_is_only_suggested(tmp_path: Path) -> None:
    params, found = adopt_frame(columns(created_at=DATES), tmp_path)

    assert params.data.timestamp is None
    assert params.features["created_at"].kind == "datetime"
    assert "--timestamp" in found.hints[0]


def test_repeating_id_keeps_its_rows_together(tmp_path: Path) -> None:
    params, _ = adopt_frame(columns(who=spread(*range(50))), tmp_path, {"id": "who"})

    assert (params.data.split, params.data.id) == ("grouped", "who")
    assert list(params.features) == ["x"]


def test_unique_id_leaves_the_split_alone(tmp_path: Path) -> None:
    params, _ = adopt_frame(columns(who=range(ROWS)), tmp_path, {"id": "who"})

    assert params.data.split == "stratified"


def test_adoption_is_the_same_every_time(tmp_path: Path) -> None:
    frame = columns(kind=spread("a", "b", "c"), when=DATES)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()

    adopt_frame(frame, tmp_path / "one")
    adopt_frame(frame, tmp_path / "two")

    for name in ("params.yaml", "table/table.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_the_sample_does_not_show_is_seen_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.adoption.infer_columns.SAMPLE_ROWS", 50)
    whole, mark, gap, word = ([1, 2, 3] * 100 for _ in range(4))
    frame = columns(whole=whole, mark=mark, gap=gap, word=spread("yes", "no")).astype(object)
    frame.loc[7, ["whole", "mark", "gap", "word"]] = [2.5, "n/a", None, "perhaps"]

    params, _ = adopt_frame(frame, tmp_path)

    read = {name: feature.model_dump(exclude_defaults=True) for name, feature in
            params.features.items()}  # fmt: skip
    assert read["whole"] == {"kind": "numeric"}
    assert read["mark"] == {"kind": "integer", "nullable": True, "missing": ["n/a"]}
    assert read["gap"] == {"kind": "integer", "nullable": True}
    assert read["word"] == {"kind": "categorical"}


def test_report_fits_a_terminal_and_holds_a_request(tmp_path: Path) -> None:
    _, found = adopt_frame(columns(when=DATES, word=spread("it's", 'a "b"')), tmp_path)

    lines = report(found, ["a note"], "params.yaml").splitlines()

    assert max(map(len, lines)) < 120
    assert "a note" in lines
    assert any("dvc repro" in line for line in lines)
    assert any("curl" in line for line in lines)

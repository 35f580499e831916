"""The weakest slices are found, and chance is not taken for weakness."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contracts.schema import Feature, FeatureSchema
from pipeline.evaluation.cells import half_widths, measure_cells
from pipeline.evaluation.importance import permutation_importance
from pipeline.evaluation.segments import COLUMNS, rank_segments, slice_features, worst_segments
from pipeline.evaluation.slices import slice_feature
from tests.pipeline.holdouts import TARGETS, make_holdout, make_params, make_schema, with_groups


def _worst(frame: pd.DataFrame, task: str, split: str = "time") -> pd.DataFrame:
    return worst_segments(frame, make_schema(task), make_params(task, split).data)


@pytest.mark.parametrize("task", list(TARGETS))
@pytest.mark.parametrize("split", ["time", "shuffled", "grouped"])
def test_weakest_segment_is_found(task: str, split: str) -> None:
    frame = make_holdout(task, 4000)
    frame = with_groups(frame, 4) if split == "grouped" else frame
    worst = _worst(frame, task, split)

    assert list(worst.columns) == COLUMNS
    assert worst["segment"].iloc[0] == "hour of day < 6 and carrier = UA"
    first = worst.iloc[0]
    assert first["rows"] == ((frame["hour of day"] < 6) & (frame["carrier"] == "UA")).sum()
    assert first["low"] > 0
    assert first["loss"] > first["loss_rest"]
    assert worst["low"].is_monotonic_decreasing


def test_segments_repeat_and_do_not_repeat_each_other() -> None:
    frame = make_holdout("binary", 4000)
    frame["temp"] = frame["hour of day"]  # the same rows under another name

    pd.testing.assert_frame_equal(_worst(frame, "binary"), _worst(frame, "binary"))
    assert len(_worst(frame, "binary")["segment"]) == len(set(_worst(frame, "binary")["segment"]))
    both = _worst(frame, "binary")["segment"].str.contains("temp < 6 and carrier = UA")
    assert not both.any()


def test_chance_is_not_weakness() -> None:
    """The bounds of every one of hundreds of slices hold together in 95 % of tables."""
    wrong, repetitions = 0, 60
    schema, data = make_schema("regression"), make_params("regression").data
    for seed in range(repetitions):
        frame = make_holdout("regression", 600, seed)
        frame["late"] = np.random.default_rng(seed).normal(0, 1, 600)
        frame["__answervalue"] = 0.0
        wrong += bool((worst_segments(frame, schema, data)["low"] > 0).any())

    assert wrong <= 8  # 3 expected


def test_chance_is_not_a_worse_segment_than_the_champions() -> None:
    wrong, schema, frame = 0, make_schema("regression"), make_holdout("regression", 600)
    slicings, blocks = slice_features(frame, schema), np.arange(600) // 20
    for seed in range(60):
        excess = np.random.default_rng(seed).normal(0, 1, 600)
        wrong += rank_segments(excess, slicings, blocks, against_all=False)[0].low > 0

    assert wrong <= 8


def test_a_part_of_a_weak_segment_is_shown_only_if_it_is_weaker() -> None:
    frame = make_holdout("regression", 4000)
    noise = np.random.default_rng(1).normal(0, 0.5, len(frame))
    frame["__answervalue"] = frame["late"] + (frame["hour of day"] < 6) * 3.0 + noise

    segments = _worst(frame, "regression")["segment"]
    assert [text for text in segments if "hour of day < 6" in text] == ["hour of day < 6"]


def test_errors_allow_for_rows_that_belong_together() -> None:
    """The interval of one slice against all rows covers the truth, 0, as often as promised."""
    rng, covered, repetitions = np.random.default_rng(2), 0, 400
    blocks, codes = np.repeat(np.arange(40), 10), np.tile([0, 0, 0, 1, 1, 1, 1, 1, 1, 1], 40)
    for _ in range(repetitions):
        values = rng.normal(0, 1, 40)[blocks] * (codes == 0) + rng.normal(0, 1, 400)
        cells = measure_cells(values, codes, 2, blocks, against_all=True)
        covered += abs(cells.difference[0]) <= half_widths(cells, 1)[0]

    assert 0.92 <= covered / repetitions <= 0.98


@pytest.mark.parametrize(
    ("feature", "values", "texts"),
    [
        (
            Feature("a\n|b", "categorical", True),
            pd.Series(["x", "x", "y", None, ""], dtype=object),
            ["a |b = x", "a |b = x", "a |b = y", "a |b is missing", "a |b is missing"],
        ),
        (
            Feature("n", "numeric", True),
            pd.Series([*np.arange(12.0), np.nan], dtype=np.float32),
            [*["n < 2.75"] * 3, *["2.75 ≤ n < 5.5"] * 3, *["5.5 ≤ n < 8.25"] * 3,
             *["n ≥ 8.25"] * 3, "n is missing"],
        ),
        (
            Feature("b", "boolean", True),
            pd.Series([0.0, 1.0, np.nan], dtype=np.float32),
            ["b = false", "b = true", "b is missing"],
        ),
        (
            Feature("t", "datetime", True),
            pd.Series(pd.to_datetime(["2013-01-01", "2013-01-02", "2013-01-03", None], utc=True)),
            ["t < 2013-01-01 12:00", "2013-01-02 ≤ t < 2013-01-02 12:00",
             "t ≥ 2013-01-02 12:00", "t is missing"],
        ),
        (
            Feature("e", "numeric", True),
            pd.Series([np.nan, np.nan], dtype=np.float32),
            ["e is missing", "e is missing"],
        ),
    ],
    ids=["categorical", "numeric", "boolean", "datetime", "empty"],
)  # fmt: skip
def test_slices_are_named_as_a_person_would(
    feature: Feature, values: pd.Series, texts: list[str]
) -> None:
    slicing = slice_feature(values, feature)

    assert [slicing.texts[code] for code in slicing.codes] == texts


def test_rare_categories_are_one_slice() -> None:
    column = pd.Series([f"c{i}" for i in range(30) for _ in range(40 - i)], dtype=object)
    slicing = slice_feature(column, Feature("c", "categorical", False))

    assert len(slicing.texts) == 22
    assert slicing.texts[slicing.codes[-1]] == "c = any other"


def test_a_table_too_small_for_segments_has_none() -> None:
    assert _worst(make_holdout("binary", 25), "binary").empty


@pytest.mark.parametrize("task", list(TARGETS))
def test_importance_finds_what_the_model_looks_at(task: str) -> None:
    schema, frame = make_schema(task), make_holdout(task)
    outputs = len(schema.target.outputs)

    def answers(numeric: np.ndarray, text: np.ndarray) -> np.ndarray:
        hour, second = (numeric[:, 0] - 12) / 6, numeric[:, -1]
        value = hour + np.where(text[:, 0] == "UA", 0.2, 0) + (second > 40_000) * 0.5
        if outputs == 1:
            return value[:, None] + 10
        powers = np.exp(value[:, None] * np.linspace(-1.5, 1.5, outputs))
        return powers / powers.sum(axis=1, keepdims=True)

    found = permutation_importance(answers, frame, schema, np.random.default_rng(1))

    by_name = found.set_index("feature")["mean"]
    assert found["feature"].iloc[0] == "hour of day"
    assert by_name["temp"] == by_name["index"] == 0
    assert abs(by_name["when"]) > 0
    again = permutation_importance(answers, frame, schema, np.random.default_rng(1))
    pd.testing.assert_frame_equal(found, again)


def test_importance_of_a_wide_table_asks_for_a_bounded_number_of_rows() -> None:
    names = [f"f{i}" for i in range(500)]
    schema = FeatureSchema(
        tuple(Feature(name, "numeric", False) for name in names),
        replace(TARGETS["regression"]),
        "event_time",
    )
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(6000, 500)), columns=names)
    frame["late"] = frame["f7"]
    asked = []

    def answers(numeric: np.ndarray, text: np.ndarray) -> np.ndarray:
        asked.append(len(numeric))
        return numeric[:, 7:8]

    found = permutation_importance(answers, frame, schema, np.random.default_rng(1))

    assert found["feature"].iloc[0] == "f7"
    assert sum(asked) <= 1_010_000

"""A challenger that no longer looks at a column on which the champion relies is refused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contracts.monitoring_params import GoldenGate, Reliance
from contracts.schema import BLOCK, Feature, FeatureSchema, Target
from monitoring.gate import Verdict, unless_golden_refuses
from monitoring.golden import GoldenVerdict
from monitoring.reliance import BUDGET, MOST_COLUMNS, Answers, Forgotten, find_forgotten, twins

ASKED = Reliance(least=0.02, share=0.1)
HOURS, TEXTS = ["hour", "minute", "noise"], ["carrier", "name"]
NAMES = {"AA": "American", "DL": "Delta", "UA": "United"}
TARGETS = {
    "binary": Target("late", (0, 1)),
    "multiclass": Target("late", ("early", "on time", "late"), task="multiclass"),
    "regression": Target("late", task="regression"),
}


def make_schema(task: str, extra: int = 0) -> FeatureSchema:
    numbers = [Feature(n, "numeric", True) for n in (*HOURS, *(f"more_{i}" for i in range(extra)))]
    texts = [Feature(n, "categorical", True) for n in TEXTS]
    return FeatureSchema((*numbers, *texts), TARGETS[task], "event_time")


def make_golden(task: str, rows: int = 800, blocks: int = 8) -> pd.DataFrame:
    """What happens depends on hour and carrier; minute and name say the same in other words."""
    rng = np.random.default_rng(3)
    hour = rng.uniform(0, 24, rows)
    carrier = rng.choice(list(NAMES), rows)
    frame = pd.DataFrame(
        {
            "hour": hour, "minute": hour * 60, "noise": rng.normal(size=rows), "carrier": carrier,
            "name": [NAMES[each] for each in carrier], BLOCK: np.arange(rows) * blocks // rows,
        }
    )  # fmt: skip
    risk = risk_of(frame, 1, 1)
    if task == "regression":
        return frame.assign(late=risk + rng.normal(0, 0.3, rows))
    late = (risk > rng.normal(0, 1, rows)).astype(int)
    labels = TARGETS[task].classes[-2:]
    return frame.assign(late=[labels[each] for each in late])


def risk_of(rows: pd.DataFrame, by_hour: float, by_carrier: float) -> pd.Series:
    of_carrier = (rows["carrier"] == "UA") * 2.0 - 0.7
    return by_hour * (rows["hour"] - 12) / 6 + by_carrier * of_carrier


def model(task: str, risk: Callable[[pd.DataFrame], pd.Series]) -> Answers:
    """Answers with a chance, or with the risk itself."""

    def answers(rows: pd.DataFrame) -> np.ndarray:
        found = risk(rows).to_numpy()
        if task == "regression":
            return found.reshape(-1, 1)
        chance = 1 / (1 + np.exp(-1.7 * found))
        never = [np.zeros(len(rows))] if task == "multiclass" else []
        return np.column_stack([*never, 1 - chance, chance])

    return answers


def look(
    task: str,
    challenger: Callable[[pd.DataFrame], pd.Series],
    golden: pd.DataFrame | None = None,
    params: Reliance | None = ASKED,
    schema: FeatureSchema | None = None,
) -> list[str]:
    """The columns that this challenger has forgotten, by a champion that knows the truth."""
    champion = model(task, lambda rows: risk_of(rows, 1, 1))
    rows = make_golden(task) if golden is None else golden
    known = schema or make_schema(task)
    rng = np.random.default_rng(1)
    found = find_forgotten(known, rows, champion, model(task, challenger), params, rng)
    assert all(each.worth > 0 and each.challenger < each.champion for each in found)
    return [each.column for each in found]


@pytest.mark.parametrize("task", TARGETS)
def test_column_that_moves_no_answer_any_more_is_named(task: str) -> None:
    assert look(task, lambda rows: risk_of(rows, 1, 1)) == []
    assert look(task, lambda rows: risk_of(rows, 0.03, 1)) == ["hour"]
    assert look(task, lambda rows: risk_of(rows, 1, 0.02)) == ["carrier"]
    assert set(look(task, lambda rows: rows["noise"])) == {"hour", "carrier"}


def test_column_that_counts_for_less_is_not_forgotten() -> None:
    assert look("binary", lambda rows: risk_of(rows, 0.3, 0.4)) == []


def test_challenger_may_hang_on_the_twin_of_a_column() -> None:
    assert look("binary", lambda rows: risk_of(rows.assign(hour=rows["minute"] / 60), 1, 1)) == []
    back = {name: code for code, name in NAMES.items()}
    by_name = look("binary", lambda r: risk_of(r.assign(carrier=r["name"].map(back)), 1, 1))
    assert by_name == []


def test_twins_say_the_same_value_for_value_or_in_the_same_order() -> None:
    golden, schema = make_golden("binary"), make_schema("binary")
    curved = golden.assign(minute=-np.exp(golden["hour"] / 4))

    assert twins(schema, golden, "carrier") == ["name"]
    assert twins(schema, curved, "hour") == ["minute"]
    assert twins(schema, golden, "noise") == []


def test_what_the_champion_does_not_need_may_be_forgotten() -> None:
    golden = make_golden("binary")
    luck = golden.assign(late=np.random.default_rng(0).permutation(golden["late"]))

    assert look("binary", lambda rows: rows["noise"], luck) == []


def test_worth_that_differs_by_day_refuses_nobody() -> None:
    """On half of the days the champion's column is right, on the others wrong."""
    golden = make_golden("binary")
    mixed = golden.assign(late=golden["late"].where(golden[BLOCK] % 2 == 0, 1 - golden["late"]))

    assert look("binary", lambda rows: rows["noise"], mixed) == []


def test_few_rows_that_are_blocks_of_their_own_are_enough_where_it_is_clear() -> None:
    few = make_golden("binary", rows=60, blocks=60)

    assert look("binary", lambda rows: risk_of(rows, 1, 1), few) == []
    assert look("binary", lambda rows: risk_of(rows, 0.0, 1), few) == ["hour"]


def test_wide_table_costs_no_more_than_the_budget() -> None:
    extra = 400
    golden = make_golden("binary", rows=20_000)
    more = np.random.default_rng(5).normal(size=(len(golden), extra)).astype("float32")
    wide = pd.concat([golden, pd.DataFrame(more).add_prefix("more_")], axis=1)
    schema, asked = make_schema("binary", extra), [0]

    def forgetful(rows: pd.DataFrame) -> pd.Series:
        asked[0] += len(rows)
        return risk_of(rows, 1, 0)

    assert look("binary", forgetful, wide, schema=schema) == ["carrier"]
    assert asked[0] <= BUDGET // MOST_COLUMNS * 4, "only clear columns are asked of a challenger"


def test_it_can_be_switched_off() -> None:
    assert look("binary", lambda rows: rows["noise"], params=None) == []


def test_answers_that_are_no_numbers_name_no_column() -> None:
    """They are refused for what they are."""
    assert look("binary", lambda rows: rows["noise"] * np.nan) == []


@pytest.mark.parametrize("passed", [True, False])
def test_refusal_names_the_column_and_what_to_do_first(passed: bool) -> None:
    golden = GoldenVerdict(passed, "on 800 golden rows it saves 0.0010 loss a row")
    verdict = Verdict(True, "the challenger saves", 5000, 28, champion_loss=0.5, saved=0.001)
    forgotten = (Forgotten("hour", 0.0293, 0.0812, 0.0041),)

    told = unless_golden_refuses(verdict, replace(golden, forgotten=forgotten), GoldenGate())

    assert not told.promote
    assert told.reason.startswith("it has forgotten what the champion relies on")
    assert "hour (worth 0.0293 loss a row to the champion; shuffled, it moves the" in told.reason
    assert "promote it by hand" in told.reason
    assert golden.reason in told.reason
    assert unless_golden_refuses(verdict, golden, GoldenGate()).promote is passed

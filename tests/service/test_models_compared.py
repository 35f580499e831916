"""Versions are compared, changes sorted and reigns drawn: the arithmetic behind /models."""

from datetime import timedelta

import pytest

from service.models_page.changes import find_changes
from service.models_page.compare import compare
from service.models_page.files import Made
from service.models_page.timeline import draw_timeline
from tests.conftest import NOW


def test_figures_are_judged_by_their_direction() -> None:
    theirs = {"log_loss": 0.5, "roc_auc": 0.7, "rows": 10, "skill": 0.1}
    mine = {"log_loss": 0.6, "roc_auc": 0.8, "rows": 20, "skill": 0.1, "mae": None}
    words = {one.name: one.word for one in compare(list(mine), mine, theirs)}

    assert words == {"log-loss": "worse by 0.1000", "ROC AUC": "better by 0.1000", "rows": "",
                     "skill": "the same", "mean absolute error": ""}  # fmt: skip


def made(rows: int, learning_rate: float, *names: str) -> Made:
    features = [{"name": n, "kind": "categorical", "categories": [n, "x"]} for n in names]
    params = {"params.yaml": {"train": {"seed": 1, "rate": learning_rate}}}
    deps = [{"path": "pipeline/train.py", "md5": f"{rows}"}, {"path": "data.parquet", "md5": "?"}]
    lock = {"train": {"params": params, "deps": deps}}
    return Made({"rows": rows, "lock": lock, "libraries": {"numpy": "2"}}, {"features": features})


def test_what_changed_is_found_by_kind() -> None:
    found = dict(find_changes(made(5, 0.1, "a", "b"), made(4, 0.2, "a")).kinds)
    told = {kind: [(c.what, c.champion, c.mine) for c in each] for kind, each in found.items()}

    assert told == {
        "Data": [("rows", "4", "5")],
        "Features": [("b", "", "categorical"), ("b: categories", "", "2; only here: b, x")],
        "Params": [("train.rate", "0.2", "0.1")],
        "Code": [("pipeline/train.py", "4", "5")],
    }
    assert find_changes(Made({}, {}), Made({"lock": [], "files": 3}, {"features": "?"})).kinds == []


def test_reigns_of_one_model_are_one_bar() -> None:
    days = [NOW + timedelta(days=number) for number in range(5)]
    reigns = list(zip(days, ["a", "a2", "b", "a3", "a"], strict=True))
    bases = {"a2": "a", "a3": "a"}
    picture = draw_timeline(reigns, bases, NOW + timedelta(days=10))

    assert picture is not None
    assert [(lane.name, len(lane.bars)) for lane in picture.lanes] == [("a", 2), ("b", 1)]
    first, last = picture.lanes[0].bars
    assert (first.current, last.current) == (False, True)
    assert first.x < picture.lanes[1].bars[0].x < last.x
    assert last.x + last.width == pytest.approx(708, abs=0.2)
    assert draw_timeline([], {}, NOW) is None


def test_a_clock_that_was_set_back_draws_nothing_backwards() -> None:
    reigns = [(NOW + timedelta(days=900), "a"), (NOW, "b"), (NOW + timedelta(days=1), "c")]
    picture = draw_timeline(reigns, {}, NOW)

    assert picture is not None
    assert all(bar.width >= 0 and 110 <= bar.x <= 708 for one in picture.lanes for bar in one.bars)

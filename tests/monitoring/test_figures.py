"""Figures from truths are the usual ones; figures from chances are what those are on average."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from contracts.params import Task
from monitoring.figures import certain, figures

TASKS: list[Task] = ["binary", "multiclass"]


def make_chances(seed: int, classes: int, rows: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), rows)


def draw(chances: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed).random((len(chances), 1))
    return (random > chances.cumsum(axis=1)[:, :-1]).sum(axis=1).astype(float)


def test_truths_give_the_figures_of_scikit_learn() -> None:
    answers = make_chances(0, 2).round(1)  # many ties
    truths = draw(answers, 1)
    found = figures("binary", answers, certain("binary", truths, answers))

    assert found["roc_auc"] == pytest.approx(roc_auc_score(truths, answers[:, 1]))
    assert found["loss"] == pytest.approx(log_loss(truths, answers.clip(1e-6, 1 - 1e-6)))
    assert found["brier"] == pytest.approx(((truths - answers[:, 1]) ** 2).mean())


@pytest.mark.parametrize("task", TASKS)
def test_chances_give_the_mean_over_what_may_come_true(task: Task) -> None:
    classes = 2 if task == "binary" else 4
    answers, chances = make_chances(0, classes, 60), make_chances(1, classes, 60)
    drawn = [
        figures(task, answers, certain(task, draw(chances, seed), answers)) for seed in range(2000)
    ]
    expected = figures(task, answers, chances)

    assert expected.keys() == ({"loss", "brier"} | ({"roc_auc"} if task == "binary" else set()))
    for name, value in expected.items():
        values = np.array([one[name] for one in drawn])
        assert value == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(2000))


def test_many_classes_have_the_brier_score_of_all() -> None:
    answers = make_chances(0, 3)
    truth = certain("multiclass", draw(answers, 1), answers)

    assert figures("multiclass", answers, truth)["brier"] == pytest.approx(
        ((answers - truth) ** 2).sum(axis=1).mean()
    )


def test_one_class_has_no_roc_auc() -> None:
    answers = make_chances(0, 2)
    assert "roc_auc" not in figures("binary", answers, certain("binary", np.zeros(400), answers))


def test_a_regression_has_its_mean_absolute_error() -> None:
    answers, truths = np.array([[1.0], [5.0]]), np.array([2.0, 2.0])
    assert figures("regression", answers, certain("regression", truths, answers)) == {"loss": 2.0}

"""What the champion looks at comes first, after what a check named, and only so many columns."""

from pathlib import Path

import numpy as np

from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from monitoring.influence import measure_influence
from monitoring.reports import MOST_FEATURES, choose_features
from tests.task_bundles import make_task_bundle


def test_what_answers_hang_on_comes_first(tmp_path: Path) -> None:
    bundle = make_task_bundle(tmp_path / "bundle", "regression", extra=3)
    found = measure_influence(bundle, np.random.default_rng(0))

    assert set(found) == set(bundle.schema.names)
    assert set(list(found)[:3]) == {"index", "probability", "class"}
    assert found["index"] > 10 * found["extra 0"]


def test_a_report_is_about_causes_then_what_weighs_most() -> None:
    names = [f"f{i}" for i in range(30)]
    features = tuple(Feature(name, "numeric", True) for name in names)
    moment = Feature("when", "datetime", True)
    schema = FeatureSchema((moment, *features), Target("y", (0, 1)), EVENT_TIME)
    chosen = choose_features(schema, ["f20", "when", "gone"], ["when", "f7", "f20", "f3"])

    assert chosen[:4] == ["f20", "f7", "f3", "f0"]
    assert len(chosen) == MOST_FEATURES

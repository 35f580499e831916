"""params.yaml is refused with a message that names the key."""

from pathlib import Path

import pytest
import yaml

from contracts.params import ParamsError, load_params

SHIPPED = Path("params.yaml")


def _write(directory: Path, **changes: object) -> Path:
    content = yaml.safe_load(SHIPPED.read_text())
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        section = content
        for name in parents:
            section = section[name]
        section[last] = value
    path = directory / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_shipped_params_are_valid() -> None:
    params = load_params(SHIPPED)

    assert params.data.source == "flights"
    assert list(params.features)[0] == "sched_dep"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__sede": 1}, "train.sede: Extra inputs are not permitted"),
        ({"evaluate__holdout_days": 0}, "evaluate.holdout_days"),
        ({"data__until": "soon"}, "data.until"),
        ({"monitoring__window_rows": 0}, "monitoring.window_rows"),
        (
            {
                "monitoring__drift__reference": "same_season",
                "data__timestamp": None,
                "data__split": "shuffled",
            },
            "same_season needs data.timestamp",
        ),
        ({"features__temp": {"kind": "picture"}}, "features.temp.kind"),
        ({"features__late": {"kind": "integer"}}, "cannot be features: .'late'."),
        ({"train__search__prefer": "oracle"}, "search.prefer is none of"),
        ({"data__classes": [0, 1, 2]}, "classes: binary has 2, not 3"),
        ({"monitoring__drift__false_alarm_rate": 1.5}, "monitoring.drift.false_alarm_rate"),
        ({"monitoring__probation__vitals__latency__ratio": 1.0}, "vitals.latency.ratio"),
        ({"monitoring__probation__shift__min_rank": 1}, "probation.shift.min_rank"),
        ({"monitoring__retention__vitals_days": 28}, "is no more than probation.days 28"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_key_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        load_params(_write(tmp_path, **changes))


def test_missing_file_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run from the project's root"):
        load_params(tmp_path / "params.yaml")


def test_broken_yaml_is_an_error_of_params(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("data: [")

    with pytest.raises(ParamsError, match="not valid YAML"):
        load_params(path)

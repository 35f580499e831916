"""A challenger that does worse on golden rows, or brings others, is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contracts.bundle import Bundle, load_bundle
from contracts.bundle_files import GOLDEN
from contracts.monitoring_params import GoldenGate, Recalibrate
from contracts.schema import BLOCK
from monitoring.gate import Verdict, unless_golden_refuses
from monitoring.golden import GoldenVerdict, compare_golden, judge_golden
from tests.bundles import convert_model, make_bundle, make_rows, make_schema, train_model

ASKED = GoldenGate(max_cost=0.01, max_t=2.0, believed=0.03, per_gain=6.0)
FOLLOWED = Recalibrate()
BLOCKS = np.repeat(np.arange(8), 100)


def judged(
    champion: Bundle,
    challenger: Bundle,
    params: GoldenGate = ASKED,
    recalibrate: Recalibrate | None = None,
) -> GoldenVerdict | None:
    generator = np.random.default_rng(0)
    return judge_golden(champion, challenger, params, recalibrate, generator)


@pytest.fixture(scope="module")
def golden() -> pd.DataFrame:
    return make_rows(seed=9, rows=800).assign(**{BLOCK: BLOCKS})


@pytest.fixture(scope="module")
def flipped() -> bytes:
    """A model that was taught the contrary."""
    rows = make_rows(seed=0)
    schema = make_schema()
    return convert_model(train_model(rows.assign(late=1 - rows.late), schema), schema)


@pytest.fixture
def champion(tmp_path: Path, golden: pd.DataFrame) -> Bundle:
    make_bundle(tmp_path / "champion", golden=golden)
    return load_bundle(tmp_path / "champion")


def test_equal_model_passes(champion: Bundle) -> None:
    found = judged(champion, champion, recalibrate=FOLLOWED)

    assert found is not None
    assert found.passed
    assert (found.rows, found.blocks, found.cost) == (800, 8, 0.0)


def test_poisoned_model_is_refused_whatever_outcomes_say(
    tmp_path: Path, champion: Bundle, golden: pd.DataFrame, flipped: bytes
) -> None:
    make_bundle(tmp_path / "poisoned", golden=golden, onnx=flipped)
    found = judged(champion, load_bundle(tmp_path / "poisoned"))

    assert found is not None
    assert not found.passed
    assert "costs" in found.reason
    assert found.interval is not None
    assert found.interval[0] > 0
    verdict = unless_golden_refuses(Verdict(True, "saves on outcomes", 5000, 28), found, ASKED)
    assert not verdict.promote
    assert verdict.reason.startswith("on 800 golden rows it costs")


def test_model_whose_column_was_shuffled_before_it_learned_has_forgotten_it(
    tmp_path: Path, champion: Bundle, golden: pd.DataFrame
) -> None:
    rows, schema = make_rows(seed=0, rows=4000), make_schema()
    shuffled = rows.assign(hour=np.random.default_rng(0).permutation(rows["hour"]))
    onnx = convert_model(train_model(shuffled, schema), schema)
    make_bundle(tmp_path / "forgetful", golden=golden, onnx=onnx)
    forgetful = load_bundle(tmp_path / "forgetful")

    found = judged(champion, forgetful)

    assert found is not None
    assert [each.column for each in found.forgotten] == ["hour"]
    off = judged(champion, forgetful, ASKED.model_copy(update={"reliance": None}))
    assert off is not None
    assert off.forgotten == ()
    assert off.cost == found.cost


def test_challenger_with_other_rows_is_refused(
    tmp_path: Path, champion: Bundle, golden: pd.DataFrame
) -> None:
    make_bundle(tmp_path / "other", golden=golden.assign(late=1 - golden.late))
    found = judged(champion, load_bundle(tmp_path / "other"))

    assert found is not None
    assert not found.passed
    assert "the golden set is locked" in found.reason
    assert "dvc repro" in found.reason


@pytest.mark.parametrize("lacks", ["champion", "challenger"])
def test_set_that_only_one_has_is_refused(tmp_path: Path, champion: Bundle, lacks: str) -> None:
    make_bundle(tmp_path / "bare")
    bare = load_bundle(tmp_path / "bare")
    both = (bare, champion) if lacks == "champion" else (champion, bare)

    found = judged(*both)

    assert found is not None
    assert not found.passed
    assert "none" in found.reason


def test_same_values_in_other_bytes_are_the_same_set(
    tmp_path: Path, champion: Bundle, golden: pd.DataFrame
) -> None:
    other = golden.to_parquet(compression="gzip")
    assert other != champion.files[GOLDEN]
    written = Bundle("other", champion.manifest, {**champion.files, GOLDEN: other})

    found = judged(champion, written)

    assert found is not None
    assert found.passed


def test_without_golden_sets_outcomes_alone_judge_and_it_is_said(tmp_path: Path) -> None:
    make_bundle(tmp_path / "bare")
    bare = load_bundle(tmp_path / "bare")

    assert judged(bare, bare) is None
    verdict = unless_golden_refuses(Verdict(True, "saves", 5000, 28), None, ASKED)
    assert verdict.promote
    assert "no golden set" in verdict.reason


def _compare(costs: list[float], recalibrate: Recalibrate | None = None) -> GoldenVerdict:
    """A regression whose challenger is so much farther off, by block."""
    schema = make_schema(task="regression", classes=(), threshold=None)
    rows = pd.DataFrame({"late": np.zeros(len(BLOCKS)), BLOCK: BLOCKS})
    champion = np.ones((len(BLOCKS), 1))
    challenger = champion + np.repeat(costs, 100).reshape(-1, 1)
    return compare_golden(schema, rows, champion, challenger, ASKED, recalibrate)


@pytest.mark.parametrize(
    ("costs", "passed"),
    [
        ([0.05, 0.06, 0.05, 0.04] * 2, False),
        ([0.005, 0.006, 0.005, 0.004] * 2, True),  # clearly worse, but by little
        ([0.5, -0.4, 0.5, -0.4] * 2, True),  # worse by much, but not clearly
        ([-0.05, -0.06, -0.05, -0.04] * 2, True),
        ([0.05] * 8, False),  # the same everywhere: no t, but no doubt either
    ],
    ids=["worse", "by little", "unclear", "better", "everywhere"],
)
def test_what_may_be_lost_has_a_margin(costs: list[float], passed: bool) -> None:
    found = _compare(costs)

    assert found.passed == passed
    assert found.cost == pytest.approx(np.mean(costs))


def test_gain_on_outcomes_that_surprise_on_all_days_alike_must_be_shown_in_full() -> None:
    """Labels that are wrong at random do so; a real change differs from day to day."""
    golden = GoldenVerdict(True, "", champion_loss=0.5, cost=-0.005)  # 1 % is gained there
    verdict = _on_outcomes(0.03)

    promoted = [
        unless_golden_refuses(replace(verdict, surprise=t), golden, ASKED).promote
        for t in (None, 3.8, 7.4)
    ]
    assert promoted == [True, True, False]


def test_answers_that_are_no_numbers_are_refused() -> None:
    found = _compare([np.nan] * 8)

    assert not found.passed
    assert "no number" in found.reason


def test_level_of_old_days_does_not_count_where_it_is_followed() -> None:
    costs = [0.5, 0.6, 0.4, 0.5] * 2  # its level is higher, by day; nothing else differs

    assert _compare(costs).cost == pytest.approx(0.5)
    assert _compare(costs, FOLLOWED).cost == pytest.approx(0, abs=0.01)


def _on_outcomes(saved: float) -> Verdict:
    return Verdict(True, "saves", 5000, 28, champion_loss=0.5, saved=saved)


@pytest.mark.parametrize(
    ("saved", "golden_cost", "promote"),
    [
        (0.014, 0.0, True),  # 2.8 %
        (0.016, 0.0, False),
        (0.016, 0.004, False),  # a cost bears nothing out
        (0.016, -0.002, True),  # 0.4 % more on golden rows, six times that is believed
        (0.1, -0.01, False),
    ],
)
def test_gain_that_golden_rows_do_not_bear_out_is_not_believed(
    saved: float, golden_cost: float, promote: bool
) -> None:
    golden = GoldenVerdict(True, "", champion_loss=0.5, cost=golden_cost)
    verdict = unless_golden_refuses(_on_outcomes(saved), golden, ASKED)

    assert verdict.promote == promote
    assert verdict.reason.startswith("too good to be believed") == (not promote)

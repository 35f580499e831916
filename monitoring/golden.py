"""Judges a challenger on rows that no outcome can reach; they lie in the champion's bundle."""

import io
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.bundle import Bundle
from contracts.bundle_files import GOLDEN, digest
from contracts.losses import row_losses
from contracts.monitoring_params import GoldenGate, Recalibrate
from contracts.params import Task
from contracts.schema import BLOCK, FeatureSchema
from monitoring.intervals import Interval, jackknife_days
from monitoring.performance import t_over_days
from monitoring.recalibration import levelled
from monitoring.reliance import Forgotten, find_forgotten

DIGEST_LENGTH = 12
# Blocks of fewer rows on average have no level of their own; all golden rows have one then.
LEVEL_ROWS = 50
OTHER_ROWS = (
    "the golden set is locked, and the challenger's ({challenger}) is not the champion's "
    "({champion}): the table, data.golden or what prepares rows has changed, or the champion is "
    "older than golden sets. Retrains go on once a person has run `dvc repro`, looked at the "
    "model card, and promoted that bundle: python -m contracts.registry register build/bundle, "
    "then promote"
)


@dataclass(frozen=True)
class GoldenVerdict:
    """Losses per row, mean over blocks; positive `cost` and `t` speak against the challenger.

    Attributes:
        blocks: days, groups or rows, see pipeline/golden.py.
        interval: of the cost, 95 %.
        forgotten: columns of the champion's; any refuses the challenger, `passed` or not.
    """

    passed: bool
    reason: str
    rows: int = 0
    blocks: int = 0
    champion_loss: float | None = None
    challenger_loss: float | None = None
    cost: float | None = None
    t: float | None = None
    interval: Interval | None = None
    forgotten: tuple[Forgotten, ...] = ()

    @property
    def saved_share(self) -> float:
        """Share of the champion's loss that the challenger saves; 0 where it saves none."""
        if self.cost is None or not self.champion_loss:
            return 0.0
        return max(-self.cost / self.champion_loss, 0.0)


def judge_golden(
    champion: Bundle,
    challenger: Bundle,
    params: GoldenGate,
    recalibrate: Recalibrate | None,
    generator: np.random.Generator,
) -> GoldenVerdict | None:
    """Let both models answer the champion's golden rows; refuse a challenger that does worse.

    Truths are the champion's, and the answers are given here, so nothing that a retrain has
    written about itself is believed.

    Args:
        generator: shuffles columns, see reliance.py.

    Returns:
        None: neither has golden rows.

    Raises:
        BundleError: a model cannot be loaded here.
    """
    if GOLDEN not in champion.files and GOLDEN not in challenger.files:
        return None
    rows = _golden(champion)
    if (refused := other_rows(rows, _golden(challenger))) is not None:
        return refused
    old, new = (each.model().answers_of for each in (champion, challenger))
    answers = old(rows).astype(float), new(rows).astype(float)
    found = compare_golden(champion.schema, rows, *answers, params, recalibrate)
    forgotten = find_forgotten(champion.schema, rows, old, new, params.reliance, generator)
    return replace(found, forgotten=forgotten)


def compare_golden(
    schema: FeatureSchema,
    rows: pd.DataFrame,
    champion: NDArray[np.float64],
    challenger: NDArray[np.float64],
    params: GoldenGate,
    recalibrate: Recalibrate | None,
) -> GoldenVerdict:
    """Paired over blocks: refused is what costs more than the margin, and more than by chance.

    Where the product recalibrates, both are compared at the level of each block: these rows are
    old, and how often things happened then is no longer asked.

    Args:
        rows: the target and BLOCK.
        champion: (n, outputs) its answers.
        challenger: (n, outputs)
    """
    task, blocks = schema.target.task, rows[BLOCK].to_numpy()
    if not np.isfinite(challenger).all():
        told = "it answers golden rows with what is no number"
        return GoldenVerdict(False, told, len(rows), len(np.unique(blocks)))
    truths = schema.target.truths(rows[schema.target.name].tolist())
    losses = [
        row_losses(task, truths, _at_level(task, blocks, truths, answers, recalibrate))
        for answers in (champion, challenger)
    ]
    return _compare(pd.DataFrame(np.transpose(losses)).groupby(blocks).mean(), len(rows), params)


def _compare(means: pd.DataFrame, rows: int, params: GoldenGate) -> GoldenVerdict:
    """From the losses of both, by block."""
    costs = (means[1] - means[0]).to_numpy()
    cost, before, t = float(costs.mean()), float(means[0].mean()), t_over_days(pd.Series(costs))
    margin = params.max_cost * before
    failed = cost > margin and (t is None or t > params.max_t)
    verb = "costs" if cost > 0 else "saves"
    reason = (
        f"on {rows} golden rows it {verb} {abs(cost):.4f} loss a row (t = {t or 0.0:.1f} over "
        f"{len(costs)} blocks; it may cost {margin:.4f}, or more up to t = {params.max_t:g})"
    )
    interval = jackknife_days(lambda kept: costs[kept].mean(), np.arange(len(costs)))
    return GoldenVerdict(not failed, reason, rows, len(costs), before,
                         float(means[1].mean()), cost, t, interval)  # fmt: skip


def _at_level(
    task: Task,
    blocks: NDArray[np.int64],
    truths: NDArray[np.float64],
    answers: NDArray[np.float64],
    recalibrate: Recalibrate | None,
) -> NDArray[np.float64]:
    if recalibrate is None:
        return answers
    large = len(blocks) >= LEVEL_ROWS * len(np.unique(blocks))
    return levelled(task, blocks if large else np.zeros_like(blocks), truths, answers)


def other_rows(champion: pd.DataFrame, challenger: pd.DataFrame) -> GoldenVerdict | None:
    """None = the challenger has the champion's golden rows, in whatever bytes they are written."""
    if champion.equals(challenger):
        return None
    told = OTHER_ROWS.format(champion=_named(champion), challenger=_named(challenger))
    return GoldenVerdict(False, told)


def _golden(bundle: Bundle) -> pd.DataFrame:
    """Without columns where it has none."""
    if GOLDEN not in bundle.files:
        return pd.DataFrame()
    return pd.read_parquet(io.BytesIO(bundle.files[GOLDEN]))


def _named(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "none"
    values = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    return f"{len(rows)} rows, {digest(values.tobytes())[:DIGEST_LENGTH]}"

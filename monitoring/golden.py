"""Judges a challenger on rows that no outcome can reach; they lie in the champion's bundle."""

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.bundle import GOLDEN, Bundle, digest
from contracts.losses import row_losses
from contracts.params import GoldenGate, Task
from contracts.schema import BLOCK
from monitoring.intervals import Interval, jackknife_days
from monitoring.performance import t_over_days

DIGEST_LENGTH = 12
OTHER_ROWS = (
    "the golden set is locked, and the challenger's ({challenger}) is not the champion's "
    "({champion}): the table or data.golden has changed, or the champion is older than golden "
    "sets. Retrains go on once a person has run `dvc repro`, looked at the model card, and "
    "promoted that bundle: python -m contracts.registry register build/bundle, then promote"
)


@dataclass(frozen=True)
class GoldenVerdict:
    """Losses per row, mean over blocks; positive `cost` and `t` speak against the challenger.

    Attributes:
        blocks: days, groups or rows, see pipeline/golden.py.
        interval: of the cost, 95 %.
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


def judge_golden(champion: Bundle, challenger: Bundle, params: GoldenGate) -> GoldenVerdict | None:
    """Let both models answer the champion's golden rows; refuse a challenger that does worse.

    Truths are the champion's, and the answers are given here, so nothing that a retrain has
    written about itself is believed.

    Returns:
        None: neither has golden rows.

    Raises:
        BundleError: a model cannot be loaded here.
    """
    if GOLDEN not in champion.files and GOLDEN not in challenger.files:
        return None
    if not _same_rows(champion, challenger):
        told = OTHER_ROWS.format(champion=_named(champion), challenger=_named(challenger))
        return GoldenVerdict(False, told)
    rows = _golden(champion)
    target = champion.schema.target
    truths = target.truths(rows[target.name].tolist())
    old, new = (each.model().answers_of(rows).astype(float) for each in (champion, challenger))
    return compare_golden(target.task, rows[BLOCK].to_numpy(), truths, old, new, params)


def compare_golden(
    task: Task,
    blocks: NDArray[np.int64],
    truths: NDArray[np.float64],
    champion: NDArray[np.float64],
    challenger: NDArray[np.float64],
    params: GoldenGate,
) -> GoldenVerdict:
    """Paired over blocks: refused is what costs more than the margin, and clearly more than none.

    Args:
        blocks: (n,) which rows depend on each other.
        truths: (n,) as Target.truths.
        champion: (n, outputs) its answers.
        challenger: (n, outputs)
    """
    if not np.isfinite(challenger).all():
        told = "it answers golden rows with what is no number"
        return GoldenVerdict(False, told, len(truths), len(np.unique(blocks)))
    losses = [row_losses(task, truths, answers) for answers in (champion, challenger)]
    means = pd.DataFrame(np.transpose(losses)).groupby(blocks).mean()
    costs = means[1] - means[0]
    cost, before, t = float(costs.mean()), float(means[0].mean()), t_over_days(costs)
    margin = params.max_cost * before
    failed = cost > margin and (t is None or t > params.max_t)
    verb = "costs" if cost > 0 else "saves"
    reason = (
        f"on {len(truths)} golden rows it {verb} {abs(cost):.4f} loss a row (t = {t or 0.0:.1f} "
        f"over {len(costs)} blocks; at most {margin:.4f}, or t up to {params.max_t:g}, may it cost)"
    )
    array = costs.to_numpy()
    interval = jackknife_days(lambda kept: array[kept].mean(), np.arange(len(array)))
    return GoldenVerdict(not failed, reason, len(truths), len(costs), before,
                         float(means[1].mean()), cost, t, interval)  # fmt: skip


def _golden(bundle: Bundle) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(bundle.files[GOLDEN]))


def _same_rows(champion: Bundle, challenger: Bundle) -> bool:
    """The same bytes, or the same values written by another version of a library."""
    if GOLDEN not in champion.files or GOLDEN not in challenger.files:
        return False
    if champion.files[GOLDEN] == challenger.files[GOLDEN]:
        return True
    return _golden(champion).equals(_golden(challenger))


def _named(bundle: Bundle) -> str:
    return digest(bundle.files[GOLDEN])[:DIGEST_LENGTH] if GOLDEN in bundle.files else "none"

"""What the gates say of a challenger: on the newest outcomes, and on golden rows."""

from datetime import datetime

import numpy as np
import pandas as pd

from contracts.bundle import load_bundle
from monitoring.challenge import Challenge
from monitoring.gate import Verdict, judge, unless_golden_refuses
from monitoring.golden import judge_golden
from monitoring.recalibration import Labelled, follow


def judge_challenger(run: Challenge, version: str, holdout: pd.DataFrame) -> Verdict:
    """Judge a registered challenger.

    Args:
        holdout: as make_challenger returns it.
    """
    challenger = load_bundle(run.settings.bundles_dir / version)
    gate, recalibrate = run.params.monitoring.gate.golden, run.params.monitoring.recalibrate
    generator = np.random.default_rng(run.params.train.seed)
    golden = judge_golden(run.base, challenger, gate, recalibrate, generator)
    return unless_golden_refuses(_judge(run, holdout), golden, gate)


def _judge(run: Challenge, holdout: pd.DataFrame) -> Verdict:
    """Gate on the held-out rows that the champion has not learned from either.

    Where the product recalibrates, both are judged as they would have been recalibrated.
    """
    schema, task = run.base.schema, run.base.schema.target.task
    learned_until = datetime.fromisoformat(run.base.manifest["trained_until"])
    fresh = holdout[holdout[schema.timestamp] > learned_until].reset_index(drop=True)
    times = fresh[schema.timestamp]
    truths = schema.target.truths(fresh[schema.target.name].tolist())
    old = run.base.model().answers_of(fresh).astype(float)
    new = fresh[schema.answers].to_numpy(float)
    if (params := run.params.monitoring.recalibrate) is not None:
        old, new = (follow(Labelled(task, times, truths, each), params) for each in (old, new))
    gate = run.params.monitoring.gate
    return judge(task, times, truths, old, new, gate, fresh[schema.categorical])

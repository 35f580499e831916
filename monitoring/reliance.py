"""Which columns the champion relies on and a challenger has forgotten, on golden rows.

A column whose values came to stand beside other rows (a join that went wrong) teaches a challenger
that it says nothing. Where other columns say much the same, it loses little by that, on outcomes
that went through the same join nothing at all. So it is asked what the answers hang on: a column's
values are shuffled among golden rows (permutation importance, Breiman 2001). What it is worth to
the champion is told by its loss; whether the challenger still looks at it by its answers, which
are surer than losses.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.losses import row_losses
from contracts.monitoring_params import Reliance
from contracts.schema import BLOCK, FeatureSchema
from monitoring.intervals import jackknife_days

MOST_COLUMNS = 20  # of a wide table: those that move the champion's answers most
BUDGET = 500_000  # rows answered by each model
FEW_ROWS = 2000  # fewer golden rows are shuffled several times ...
MOST_TIMES = 10  # ... but not more
TWINS = 0.95  # rank correlation from which two numbers say the same

Answers = Callable[[pd.DataFrame], NDArray[np.floating]]  # rows -> (n, outputs)


@dataclass(frozen=True)
class Forgotten:
    """A column that the challenger hardly looks at, although the champion clearly relies on it.

    Attributes:
        worth: loss a row that its values save the champion, mean over blocks.
        champion, challenger: mean change of the answers when its values are shuffled.
    """

    column: str
    worth: float
    champion: float
    challenger: float


@dataclass(frozen=True)
class _Model:
    """A model that has answered the rows as they are."""

    answers: Answers
    before: NDArray[np.float64]

    def moved(self, shuffled: pd.DataFrame) -> float:
        return float(np.abs(self.answers(shuffled) - self.before).mean())


def find_forgotten(
    schema: FeatureSchema,
    golden: pd.DataFrame,
    champion: Answers,
    challenger: Answers,
    params: Reliance | None,
    generator: np.random.Generator,
) -> tuple[Forgotten, ...]:
    """The columns forgotten, the most worthy first.

    Args:
        golden: features, the target and BLOCK.
        champion, challenger: answer rows of features; probabilities, or the number of a regression.
        params: None = nothing is looked for.
    """
    if params is None:
        return ()
    rows = _enough(golden, generator)
    old, new = _asked(champion, rows), _asked(challenger, rows)
    found = []
    for name in _most_moving(schema, rows, champion, generator):
        shuffled = _shuffled(rows, [name], generator)
        worth = _worth(schema, rows, old, shuffled, params.least)
        if worth is None:
            continue
        moved, still = old.moved(shuffled), new.moved(shuffled)
        if still >= params.share * moved:
            continue
        both = _shuffled(rows, [name, *twins(schema, golden, name)], generator)
        if new.moved(both) < params.share * old.moved(both):
            found.append(Forgotten(name, worth, moved, still))
    return tuple(sorted(found, key=lambda each: -each.worth))


def _asked(answers: Answers, rows: pd.DataFrame) -> _Model:
    return _Model(answers, answers(rows).astype(float))


def _worth(
    schema: FeatureSchema, rows: pd.DataFrame, old: _Model, shuffled: pd.DataFrame, least: float
) -> float | None:
    """Loss a row that a column saves; None = less than `least` of the whole, or not clearly any."""
    task, truths = schema.target.task, schema.target.truths(rows[schema.target.name].tolist())
    losses = row_losses(task, truths, old.before)
    spared = row_losses(task, truths, old.answers(shuffled).astype(float)) - losses
    usual, saved = _over_blocks(losses, rows).mean(), _over_blocks(spared, rows)
    interval = jackknife_days(lambda kept: saved[kept].mean(), np.arange(len(saved)))
    clear = interval is not None and interval[0] > 0
    return float(saved.mean()) if clear and saved.mean() >= least * usual else None


def twins(schema: FeatureSchema, rows: pd.DataFrame, name: str) -> list[str]:
    """The other columns that say what this one says: categories one for one, numbers in its order.

    A model may honestly hang on either.
    """
    if name in schema.categorical:
        codes = rows[schema.categorical].apply(lambda texts: pd.factorize(texts)[0])
        same = codes.eq(codes[name], axis=0).all()  # numbered as they first appear, so equal
    elif name in schema.numeric:
        same = rows[schema.numeric].rank().corrwith(rows[name].rank()).abs() >= TWINS
    else:
        return []
    return [other for other in same.index[same] if other != name]


def _most_moving(
    schema: FeatureSchema, rows: pd.DataFrame, answers: Answers, generator: np.random.Generator
) -> list[str]:
    """All features, or the MOST_COLUMNS that a wide table's champion hangs on most."""
    if len(schema.names) <= MOST_COLUMNS:
        return schema.names
    some = rows.head(max(BUDGET // 2 // len(schema.names), 1))
    model = _asked(answers, some)
    moved = {name: model.moved(_shuffled(some, [name], generator)) for name in schema.names}
    return sorted(moved, key=lambda n: -moved[n])[:MOST_COLUMNS]


def _enough(golden: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Few rows come several times, many are sampled, so that they fit the budget."""
    times = int(np.clip(FEW_ROWS // max(len(golden), 1), 1, MOST_TIMES))
    order = generator.permutation(np.tile(np.arange(len(golden)), times))
    return golden.iloc[order[: BUDGET // 2 // MOST_COLUMNS]].reset_index(drop=True)


def _shuffled(rows: pd.DataFrame, names: list[str], generator: np.random.Generator) -> pd.DataFrame:
    order = generator.permutation(len(rows))
    return rows.assign(**{name: rows[name].array[order] for name in names})


def _over_blocks(values: NDArray[np.float64], rows: pd.DataFrame) -> NDArray[np.float64]:
    """Means of each block."""
    return np.asarray(pd.Series(values).groupby(rows[BLOCK].to_numpy()).mean())

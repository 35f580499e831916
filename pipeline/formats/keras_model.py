"""The numeric core as a Keras model of Keras' own layers and operations: it loads without our code.

Tables are Embedding layers, so that they are weights and not part of the configuration.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from pipeline.formats.columns import Above, Columns, Fill, Numbers, Scale, Step
from pipeline.formats.core import Core, Linear, Sigmoids, round_down
from pipeline.formats.tables import Table
from pipeline.formats.trees import Trees

NUMERIC, CODES = "numeric", "codes"
# NaN is the one value that is not below this; not every converter of graphs knows isnan.
LARGEST = float(np.finfo(np.float32).max)
FLAT = 80.0
MISSING = 0.0  # what stands for NaN where a whole number is needed


def build_keras_model(core: Core, numbers: int, outputs: int) -> Any:
    """A keras.Model from {numeric: float32 (n, numbers), codes: int32 (n, features)} to answers.

    An input that no column needs is absent. The answers are float32 (n, outputs).
    """
    numeric = keras.Input((numbers,), name=NUMERIC)
    codes = keras.Input((len(core.columns.vocabularies),), dtype="int32", name=CODES)
    x = _columns(core.columns, numeric, codes)
    raw = _linear(core.head, x) if isinstance(core.head, Linear) else _trees(core.head, x)
    answers = _complete(_calibrate(_link(core, raw), core.calibration), outputs)
    kinds = {type(part) for part in core.columns.parts}
    inputs = {NUMERIC: numeric} if Numbers in kinds else {}
    inputs |= {CODES: codes} if Table in kinds else {}
    return keras.Model(inputs, answers, name="perennial")


def _columns(columns: Columns, numeric: Any, codes: Any) -> Any:
    found = []
    for part in columns.parts:
        if isinstance(part, Table):
            code = codes[:, part.position]
            found.append(_table(part.values)(code))
        else:
            x = ops.take(numeric, list(part.positions), axis=1)
            for step in part.steps:
                x = _apply(step, x)
            found.append(x)
    return found[0] if len(found) == 1 else ops.concatenate(found, axis=1)


def _table(values: Any) -> Any:
    values = np.asarray(values, dtype=np.float32)
    return layers.Embedding(*values.shape, weights=[values], trainable=False)


def _apply(step: Step, x: Any) -> Any:
    if isinstance(step, Fill):
        return ops.where(ops.less_equal(x, LARGEST), x, step.values)
    if isinstance(step, Scale):
        return (x - step.mean) / step.scale
    if isinstance(step, Above):
        limit = float(round_down(np.array([step.threshold]))[0])
        return ops.cast(ops.greater(x, limit), "float32")
    return _dates(x)


def _dates(pairs: Any) -> Any:
    """contracts.transformers.DateParts, whose arithmetic this repeats."""
    found = [
        _parts(pairs[:, i : i + 1], pairs[:, i + 1 : i + 2]) for i in range(0, pairs.shape[1], 2)
    ]
    return found[0] if len(found) == 1 else ops.concatenate(found, axis=1)


def _parts(days: Any, seconds: Any) -> Any:
    known = ops.logical_and(ops.less_equal(days, LARGEST), ops.less_equal(seconds, LARGEST))
    day = ops.cast(ops.where(known, days, MISSING), "int32")
    hour = ops.cast(ops.where(known, seconds, MISSING), "int32") // 3600
    shifted = day + 719_468  # days since 0000-03-01
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * of_year + 2) // 153
    day_of_month = of_year - (153 * month_from_march + 2) // 5 + 1
    month = (month_from_march + 2) % 12 + 1
    year = year_of_era + era * 400 + ops.cast(ops.less_equal(month, 2), "int32")
    weekday = (day + 3) % 7  # Monday = 0
    parts = ops.concatenate([year, month, day_of_month, weekday, hour, day], axis=1)
    return ops.where(known, ops.cast(parts, "float32"), days + seconds)  # NaN where one is


def _linear(head: Linear, x: Any) -> Any:
    dense = layers.Dense(len(head.bias), trainable=False)
    found = dense(x)
    dense.set_weights([head.weights, head.bias])
    return found


def _trees(trees: Trees, x: Any) -> Any:
    """The nodes' columns: feature, threshold, left, right and missing child."""
    threshold = round_down(trees.threshold)
    nodes = np.stack([trees.feature, threshold, trees.left, trees.right, trees.missing], axis=1)
    look_up, leaf = _table(nodes), _table(trees.values)
    # One row with every root, once for each row of x.
    at = _table(trees.roots[None])(ops.cast(ops.zeros_like(x[:, 0]), "int32"))
    for _ in range(trees.depth):
        node = look_up(ops.cast(at, "int32"))
        value = ops.take_along_axis(x, ops.cast(node[:, :, 0], "int32"), axis=1)
        left, right = node[:, :, 2], node[:, :, 3]
        child = ops.where(ops.less_equal(value, node[:, :, 1]), left, right)
        at = ops.where(ops.less_equal(value, LARGEST), child, node[:, :, 4])
    found = ops.sum(leaf(ops.cast(at, "int32")), axis=1)
    return found + trees.base.astype(np.float32)


def _link(core: Core, raw: Any) -> Any:
    functions = {"exp": ops.exp, "sigmoid": _sigmoid, "softmax": ops.softmax}
    return raw if core.link == "none" else functions[core.link](raw)


def _calibrate(answers: Any, sigmoids: Sigmoids | None) -> Any:
    if sigmoids is None:
        return answers
    last = answers[:, -len(sigmoids.slope) :]
    slope, shift = sigmoids.slope.astype(np.float32), sigmoids.shift.astype(np.float32)
    calibrated = _sigmoid(-(last * slope + shift))
    if len(slope) == 1:
        return calibrated
    return calibrated / ops.sum(calibrated, axis=1, keepdims=True)


def _sigmoid(x: Any) -> Any:
    """Flat beyond what float32 tells from 0 and 1: there, LiteRT's own answers NaN."""
    return ops.sigmoid(ops.clip(x, -FLAT, FLAT))


def _complete(answers: Any, outputs: int) -> Any:
    """A binary model's single probability is that of its last class."""
    if answers.shape[1] == outputs:
        return answers
    return ops.concatenate([1 - answers, answers], axis=1)

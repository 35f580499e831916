"""Our own transformers, and LightGBM, in ONNX: the same arithmetic as contracts/transformers.py."""

import importlib.util
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from contracts.transformers import DATE_PARTS, OTHER, DateParts, RareGrouper


def register_steps() -> None:
    """Teach skl2onnx our steps; calling it again changes nothing."""
    update_registered_converter(
        RareGrouper, "PerennialRareGrouper", _same_texts, _convert_rare_grouper
    )
    update_registered_converter(DateParts, "PerennialDateParts", _date_columns, _convert_date_parts)
    if importlib.util.find_spec("lightgbm") and importlib.util.find_spec("onnxmltools"):
        _register_lightgbm()


def _register_lightgbm() -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor  # an extra
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        LGBMRegressor,
        "LightGbmLGBMRegressor",
        calculate_linear_regressor_output_shapes,
        convert_lightgbm,
        options={"split": None},
    )


def _same_texts(operator: Any) -> None:
    columns = operator.raw_operator.n_features_in_
    operator.outputs[0].type = StringTensorType([None, columns])


def _convert_rare_grouper(scope: Any, operator: Any, container: Any) -> None:
    """One LabelEncoder a column: kept names map to themselves, all others to OTHER."""
    grouped = []
    for i, kept in enumerate(operator.raw_operator.kept_):
        column = _pick(scope, container, operator.inputs[0].full_name, [i])
        names = [str(name) for name in kept] or [OTHER]
        grouped.append(scope.get_unique_variable_name("grouped"))
        container.add_node(
            "LabelEncoder",
            column,
            grouped[-1],
            op_domain="ai.onnx.ml",
            op_version=2,
            name=scope.get_unique_operator_name("LabelEncoder"),
            keys_strings=names,
            values_strings=names,
            default_string=OTHER,
        )
    _node(scope, container, "Concat", grouped, operator.outputs[0].full_name, axis=1)


def _date_columns(operator: Any) -> None:
    pairs = operator.raw_operator.n_features_in_ // 2
    operator.outputs[0].type = FloatTensorType([None, pairs * len(DATE_PARTS)])


def _convert_date_parts(scope: Any, operator: Any, container: Any) -> None:
    source = operator.inputs[0].full_name
    parts: list[str] = []
    for i in range(0, operator.raw_operator.n_features_in_, 2):
        days, seconds = (_pick(scope, container, source, [i + j]) for j in (0, 1))
        parts += _date_parts(_Integers(scope, container), days, seconds)
    _node(scope, container, "Concat", parts, operator.outputs[0].full_name, axis=1)


class _Integers:
    """Writes whole-number arithmetic; every value is a tensor's name or a constant."""

    def __init__(self, scope: Any, container: Any) -> None:
        self.scope = scope
        self.container = container

    def __call__(self, op: str, *values: "str | int", **attributes: Any) -> str:
        names = [self._constant(v) if isinstance(v, int) else v for v in values]
        return _node(self.scope, self.container, op, names, None, **attributes)

    def floor_div(self, value: str, by: int) -> str:
        """Floor for any sign: ONNX's Div cuts towards zero, its Mod is never negative."""
        return self("Div", self("Sub", value, self("Mod", value, by)), by)

    def _constant(self, value: int) -> str:
        name: str = self.scope.get_unique_variable_name("constant")
        self.container.add_initializer(name, TensorProto.INT64, [1], [value])
        return name


def _date_parts(of: _Integers, days: str, seconds: str) -> list[str]:
    """The calendar of contracts.transformers.DateParts, line by line."""
    missing = of("Or", of("IsNaN", days), of("IsNaN", seconds))
    day, second = (_whole(of, missing, value) for value in (days, seconds))
    shifted = of("Add", day, 719_468)
    era = of.floor_div(shifted, 146_097)
    of_era = of("Sub", shifted, of("Mul", era, 146_097))
    leaps = of("Sub", of("Div", of_era, 36_524), of("Div", of_era, 1460))
    corrected = of("Sub", of("Add", of_era, leaps), of("Div", of_era, 146_096))
    year_of_era = of("Div", corrected, 365)
    quarters = of("Sub", of("Div", year_of_era, 4), of("Div", year_of_era, 100))
    of_year = of("Sub", of_era, of("Add", of("Mul", year_of_era, 365), quarters))
    from_march = of("Div", of("Add", of("Mul", of_year, 5), 2), 153)
    gone = of("Div", of("Add", of("Mul", from_march, 153), 2), 5)
    day_of_month = of("Add", of("Sub", of_year, gone), 1)
    month = of("Add", of("Mod", of("Add", from_march, 2), 12), 1)
    early = of("Cast", of("Less", month, 3), to=TensorProto.INT64)
    year = of("Add", of("Add", year_of_era, of("Mul", era, 400)), early)
    weekday = of("Mod", of("Add", day, 3), 7)
    found = [year, month, day_of_month, weekday, of("Div", second, 3600), day]
    return [_float_or_missing(of, missing, part) for part in found]


def _whole(of: _Integers, missing: str, value: str) -> str:
    zero = of("Mul", of("Cast", missing, to=TensorProto.INT64), 0)
    present = of("Where", missing, of("Cast", zero, to=TensorProto.FLOAT), value)
    return of("Cast", present, to=TensorProto.INT64)


def _float_or_missing(of: _Integers, missing: str, part: str) -> str:
    nan = of.scope.get_unique_variable_name("nan")
    of.container.add_initializer(nan, TensorProto.FLOAT, [1], [float(np.nan)])
    return of("Where", missing, nan, of("Cast", part, to=TensorProto.FLOAT))


def _pick(scope: Any, container: Any, source: str, columns: list[int]) -> str:
    index = scope.get_unique_variable_name("columns")
    container.add_initializer(index, TensorProto.INT64, [len(columns)], columns)
    return _node(scope, container, "Gather", [source, index], None, axis=1)


def _node(
    scope: Any, container: Any, op: str, names: list[str], output: str | None, **attributes: Any
) -> str:
    found: str = output or scope.get_unique_variable_name(op.lower())
    container.add_node(
        op,
        names,
        found,
        name=scope.get_unique_operator_name(op),
        op_version=container.target_opset,
        **attributes,
    )
    return found

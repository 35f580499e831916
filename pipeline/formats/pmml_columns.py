"""What the estimator sees, as derived fields of PMML."""

from xml.etree.ElementTree import Element, SubElement

import numpy as np

from contracts.schema import MISSING_CATEGORY, FeatureSchema
from pipeline.formats.columns import Above, Columns, Dates, Fill, Numbers, Scale, Step
from pipeline.formats.tables import UNSEEN, Table

DERIVED = "__column"
Expression = Element | str | float  # an element, the name of a field, or a constant


def derive_columns(columns: Columns, schema: FeatureSchema, parent: Element) -> list[str]:
    """Add derived fields to `parent`; returns the name of each column's field."""
    names: list[str] = []
    for part in columns.parts:
        if isinstance(part, Table):
            names += _derive_table(part, columns, schema, parent)
        else:
            names += _derive_numbers(part, schema, parent)
    return names


def derive(parent: Element, name: str, expression: Expression) -> str:
    """Add one derived field of type double; returns its name."""
    field = SubElement(parent, "DerivedField", name=name, optype="continuous", dataType="double")
    field.append(_element(expression))
    return name


def apply(function: str, *arguments: Expression) -> Element:
    """A function of PMML applied to fields and constants."""
    found = Element("Apply", function=function)
    found.extend(_element(argument) for argument in arguments)
    return found


def _element(expression: Expression) -> Element:
    if isinstance(expression, str):
        return Element("FieldRef", field=expression)
    if isinstance(expression, float):
        constant = Element("Constant", dataType="double")
        constant.text = repr(expression)
        return constant
    return expression


def _new_name(parent: Element) -> str:
    return f"{DERIVED} {len(parent)}"


def _derive_table(
    table: Table, columns: Columns, schema: FeatureSchema, parent: Element
) -> list[str]:
    feature = schema.categorical[table.position]
    texts = columns.vocabularies[feature]
    missing = 1 + texts.index(MISSING_CATEGORY)
    return [
        derive(parent, _new_name(parent), _map_values(feature, texts, column, missing))
        for column in table.values.T
    ]


def _map_values(feature: str, texts: tuple[str, ...], values: np.ndarray, missing: int) -> Element:
    default, absent = repr(float(values[UNSEEN])), repr(float(values[missing]))
    found = Element("MapValues", outputColumn="value", defaultValue=default, mapMissingTo=absent,
                    dataType="double")  # fmt: skip
    SubElement(found, "FieldColumnPair", field=feature, column="text")
    rows = SubElement(found, "InlineTable")
    for text, value in zip(texts, values[1:], strict=True):
        if value != values[UNSEEN] and text != MISSING_CATEGORY:
            row = SubElement(rows, "row")
            SubElement(row, "text").text = text
            SubElement(row, "value").text = repr(float(value))
    if len(rows):
        return found
    # A table may not be empty.
    return apply("if", apply("isMissing", feature), float(values[missing]), float(values[UNSEEN]))


def _derive_numbers(part: Numbers, schema: FeatureSchema, parent: Element) -> list[str]:
    names = [schema.matrix_columns[position] for position in part.positions]
    for step in part.steps:
        names = _derive_step(step, names, parent)
    return names


def _derive_step(step: Step, names: list[str], parent: Element) -> list[str]:
    if isinstance(step, Dates):
        pairs = zip(names[::2], names[1::2], strict=True)
        return [name for pair in pairs for name in _derive_date(*pair, parent)]
    return [
        derive(parent, _new_name(parent), _column_step(step, name, i))
        for i, name in enumerate(names)
    ]


def _column_step(step: Fill | Scale | Above, name: str, i: int) -> Element:
    if isinstance(step, Fill):
        return Element("FieldRef", field=name, mapMissingTo=repr(float(step.values[i])))
    if isinstance(step, Scale):
        return apply("/", apply("-", name, float(step.mean[i])), float(step.scale[i]))
    return apply("if", apply("greaterThan", name, float(step.threshold)), 1.0, 0.0)


def _derive_date(days: str, seconds: str, parent: Element) -> list[str]:
    """contracts.transformers.DateParts, whose arithmetic this repeats; missing stays missing."""

    def keep(expression: Expression) -> str:
        return derive(parent, _new_name(parent), expression)

    def whole(x: Expression, by: float) -> Element:
        return apply("floor", apply("/", x, by))

    # Not every function takes a missing value, so there is a zero in its place until the end.
    day = keep(Element("FieldRef", field=days, mapMissingTo="0"))
    second = keep(Element("FieldRef", field=seconds, mapMissingTo="0"))
    hour = keep(whole(second, 3600.0))
    shifted = keep(apply("+", day, 719_468.0))  # days since 0000-03-01
    era = keep(whole(shifted, 146_097.0))
    of_era = keep(apply("-", shifted, apply("*", era, 146_097.0)))
    leaps = apply("-", apply("+", apply("-", of_era, whole(of_era, 1460.0)),
                             whole(of_era, 36_524.0)), whole(of_era, 146_096.0))  # fmt: skip
    of_year_0 = keep(whole(leaps, 365.0))
    before = apply("-", apply("+", apply("*", 365.0, of_year_0), whole(of_year_0, 4.0)),
                   whole(of_year_0, 100.0))  # fmt: skip
    of_year = keep(apply("-", of_era, before))
    from_march = keep(whole(apply("+", apply("*", 5.0, of_year), 2.0), 153.0))
    begun = whole(apply("+", apply("*", 153.0, from_march), 2.0), 5.0)
    of_month = keep(apply("+", apply("-", of_year, begun), 1.0))
    late = apply("lessThan", from_march, 10.0)  # March to December
    month = keep(apply("+", from_march, apply("if", late, 3.0, -9.0)))
    new = apply("if", late, 0.0, 1.0)
    year = keep(apply("+", apply("+", of_year_0, apply("*", era, 400.0)), new))
    week = apply("*", 7.0, whole(apply("+", day, 3.0), 7.0))
    weekday = keep(apply("-", apply("+", day, 3.0), week))  # Monday = 0
    known = apply("and", apply("isNotMissing", days), apply("isNotMissing", seconds))
    parts = (year, month, of_month, weekday, hour, day)
    return [keep(apply("if", known, part)) for part in parts]

"""Rules of one column, checked by pandera."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pa

from contracts.params import FeatureParams, ParamsError, Severity, Validation
from contracts.schema import MAGNITUDE_LIMIT
from pipeline.validation.findings import EXAMPLES, Example, Finding, Level, Rule, share
from pipeline.validation.raw_columns import Column
from pipeline.validation.raw_parts import Part, place

RANGED = ("numeric", "integer")


@dataclass(frozen=True)
class ColumnRule:
    """What every value of a column keeps.

    Attributes:
        kept: from the typed values, whether each keeps the rule, bool (n,).
        tolerated: share of values that may break it.
        refused: `prepare` would stop, so that breaking it is always a failure.
    """

    rule: Rule
    kept: Callable[[pd.Series], np.ndarray]
    problem: str
    remedy: str
    tolerated: float = 0.0
    refused: bool = False


def feature_rules(
    column: Column, feature: FeatureParams, validation: Validation
) -> list[ColumnRule]:
    """Readable, within bounds, complete."""
    name = column.name
    rules = [
        ColumnRule(
            "schema",
            lambda _: ~column.unreadable,
            f"cannot be read as {feature.kind}",
            f"mend them, list them under features.{name}.missing or change features.{name}.kind",
            refused=True,
        ),
        ColumnRule(
            "ranges",
            lambda _: ~column.boundless,
            f"are infinite or beyond {MAGNITUDE_LIMIT:g}",
            "they are no data: make them missing in the source",
            refused=True,
        ),
    ]
    limits = validation.ranges.get(name)
    return rules + ([range_rule(name, *limits)] if limits else []) + _missing(column, feature,
                                                                            validation)  # fmt: skip


def range_rule(name: str, low: float | None, high: float | None) -> ColumnRule:
    """Numbers between low and high, both included; a missing number breaks nothing."""
    lowest, highest = -np.inf if low is None else low, np.inf if high is None else high
    return ColumnRule(
        "ranges",
        lambda values: (values.isna() | values.between(lowest, highest)).to_numpy(),
        f"are not between {lowest:g} and {highest:g}",
        f"mend the source, or widen validation.ranges.{name}",
    )


def _missing(column: Column, feature: FeatureParams, validation: Validation) -> list[ColumnRule]:
    name = column.name
    if not feature.nullable:
        return [
            ColumnRule(
                "missing",
                lambda _: ~column.absent,
                "are missing though the feature is not nullable",
                f"fill them, or set features.{name}.nullable",
                refused=True,
            )
        ]
    return [
        ColumnRule(
            "missing",
            lambda _: ~column.absent,
            f"are missing, more than a share of {validation.max_missing:g}",
            "remove the feature, or raise validation.max_missing",
            tolerated=validation.max_missing,
        )
    ]


def require_ranges_fit(validation: Validation, kinds: Mapping[str, str]) -> None:
    """Refuse a range of a column that has none.

    Args:
        kinds: of every feature, and of a regression's target.

    Raises:
        ParamsError: the column is unknown or holds no numbers, or low is above high.
    """
    for name, (low, high) in validation.ranges.items():
        if kinds.get(name) not in RANGED:
            possible = sorted(column for column, kind in kinds.items() if kind in RANGED)
            raise ParamsError(f"validation.ranges: {name!r} is no column of numbers: {possible}")
        if low is not None and high is not None and low > high:
            raise ParamsError(f"validation.ranges.{name}: {low:g} is above {high:g}")


def broken(
    column: Column,
    rules: Sequence[ColumnRule],
    wanted: Mapping[Rule, Severity],
    parts: Sequence[Part],
) -> list[Finding]:
    """One finding per rule that is broken and not off."""
    rules = [rule for rule in rules if wanted[rule.rule] != "off"]
    checks = [_check(rule, str(i)) for i, rule in enumerate(rules)]
    schema = pa.DataFrameSchema({column.name: pa.Column(checks=checks, nullable=True)})
    try:
        schema.validate(column.values.to_frame(column.name), lazy=True, inplace=True)
    except pa.errors.SchemaErrors as errors:
        return [_finding(column, rules[int(e.check.name)], wanted, parts, e)
                for e in errors.schema_errors]  # fmt: skip
    return []


def _check(rule: ColumnRule, name: str) -> pa.Check:
    def judge(values: pd.Series) -> pd.Series | bool:
        kept = rule.kept(values)
        return pd.Series(kept, values.index) if np.mean(~kept) > rule.tolerated else True

    return pa.Check(judge, name=name, n_failure_cases=EXAMPLES, ignore_na=False)


def _finding(
    column: Column,
    rule: ColumnRule,
    wanted: Mapping[Rule, Severity],
    parts: Sequence[Part],
    error: pa.errors.SchemaError,
) -> Finding:
    rows = np.flatnonzero(~np.asarray(error.check_output, dtype=bool))
    examples = [Example(*place(parts, int(at)), column.shown(int(at))) for at in rows[:EXAMPLES]]
    count, first = len(rows), examples[0]
    message = (
        f"{column.name}: {count} of {len(column.values)} values {rule.problem}, such as "
        f"{first.value!r} in row {first.row} of {first.file}; {rule.remedy}"
    )
    severity = level(rule.rule, wanted, refused=rule.refused)
    found = share(count, len(column.values))
    return Finding(rule.rule, severity, column.name, count, found, message, tuple(examples))


def level(rule: Rule, wanted: Mapping[Rule, Severity], *, refused: bool = False) -> Level:
    """How bad it is that a rule is broken which is not off."""
    return "fail" if refused or wanted[rule] == "fail" else "warn"

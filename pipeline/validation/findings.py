"""What validation found: rules, their severities, and the file that later stages depend on."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from contracts.params import ParamsError, Severity

Rule = Literal[
    "schema", "labels", "ranges", "missing", "duplicates", "leakage", "overlap", "time_order"
]
Level = Literal["fail", "warn", "info"]

DEFAULT_SEVERITIES: Mapping[Rule, Severity] = {
    "schema": "fail",
    "labels": "fail",
    "ranges": "warn",
    "missing": "warn",
    "duplicates": "warn",
    "leakage": "warn",
    "overlap": "warn",
    "time_order": "warn",
}
LEVELS: Sequence[Level] = ("fail", "warn", "info")
EXAMPLES = 5
EXAMPLE_LENGTH = 80


@dataclass(frozen=True)
class Example:
    """A value that breaks a rule; the first row of a file is 0."""

    file: str
    row: int
    value: str


@dataclass(frozen=True)
class Finding:
    """A broken rule; `count` and `share` are of the labelled rows unless the message says more."""

    rule: Rule
    severity: Level
    column: str | None
    count: int
    share: float
    message: str
    examples: tuple[Example, ...] = ()


def severities(wanted: Mapping[str, Severity]) -> dict[Rule, Severity]:
    """The severity of every rule: the default, or what params.validation.rules says.

    Raises:
        ParamsError: a rule is unknown.
    """
    unknown = sorted(wanted.keys() - DEFAULT_SEVERITIES.keys())
    if unknown:
        raise ParamsError(
            f"validation.rules: {unknown} are unknown; the rules are {list(DEFAULT_SEVERITIES)}"
        )
    chosen: dict[Rule, Severity] = {}
    for rule, default in DEFAULT_SEVERITIES.items():
        chosen[rule] = wanted.get(rule, default)
    return chosen


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Worst first; within a severity by rule, then as found."""
    rules = list(DEFAULT_SEVERITIES)
    return sorted(findings, key=lambda f: (LEVELS.index(f.severity), rules.index(f.rule)))


def to_json(findings: Sequence[Finding], rows: int, unlabelled: int) -> str:
    """Numbers that `dvc metrics show` lists, and the findings themselves.

    Args:
        rows: read, with and without a target.
        unlabelled: those without.
    """
    content: dict[str, object] = {"rows": rows, "without_outcome": unlabelled}
    content.update(counts(findings).items())
    content["findings"] = [asdict(finding) for finding in findings]
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def counts(findings: Sequence[Finding]) -> dict[Level, int]:
    """Findings of each severity, worst first."""
    found = Counter(finding.severity for finding in findings)
    numbers: dict[Level, int] = {level: found[level] for level in LEVELS}
    return numbers


def share(count: int, rows: int) -> float:
    """Rounded, so that a file of findings does not change with the last bit."""
    return round(count / rows, 6) if rows else 0.0


def shown(value: object) -> str:
    """A value of the table as text, shortened."""
    text = str(value)
    return text if len(text) <= EXAMPLE_LENGTH else text[: EXAMPLE_LENGTH - 1] + "…"

"""params.yaml for an adopted table: commented, and sized by the table."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from pipeline.adoption.infer import Findings
from pipeline.adoption.infer_columns import Column
from pipeline.adoption.sizes import sizes

PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Who reads params.yaml sees that nobody wrote it by hand, as long as this is the rest's digest.
MARK = "# written by pipeline.adopt, digest "
DIGEST_LENGTH = 16
SHOWN_MARKS = 8
SHOWN_CLASSES = 20
COMMENT_COLUMN = 28

TEMPLATE = """\
# What changes a model or a decision, and deserves review. Where things are, and secrets,
# live in the environment (.env.example). Unknown keys are refused.

data:
{data}

features:                    # order = positional requests
{features}
{left_out}
validation:                  # pipeline/validate.py; a rule may be off, warn or fail
  rules: {{}}                  # empty: the shipped severities
  max_missing: 0.99          # share of a column's values
  {max_duplicates:<27}# share of rows that repeat another
  max_association: 0.999     # of one feature with the target: more is a leak
  min_class_rows: 10
  ranges: {{}}                 # feature: [low, high]

train:
  seed: 20130101
  {max_rows:<27}# of the final fit: memory; null = all
  calibration: {calibration}
  calibration_folds: 3
  max_one_hot: 50            # more categories are target encoded, or their rare ones grouped
  min_category_rows: 5       # rarer categories count as one
  search:
    strategy: random
    {iterations:<25}# random draws per candidate
    folds: {search_folds}
    max_rows: 60000          # the search sees at most so many rows
    scoring: {scoring}
    prefer: simplest         # unless another candidate is better by a standard error
  candidates:
{candidates}

evaluate:
  {holdout_days:<27}# split: time; the newest days, which the search never sees
  holdout_share: 0.2         # any other split
  folds: {folds}
  bootstrap: {bootstrap}
  coverage: 0.9              # of a regression's intervals
  cost: null                 # {{false_positive: 1, false_negative: 5}} moves a binary threshold

gates:                       # what the last stage asks of a bundle; none = not asked
  metrics: {{}}                # such as {{{metric}: {limit}}}

package:
  reference_rows: 20000      # sample that checks compare the current window with
  parity_rows: 20000         # rows on which ONNX must agree with scikit-learn
  parity_tolerance: 1.0e-5   # largest difference allowed

monitoring:
  schedule: "0 6 * * *"      # cron, UTC
  window: sliding            # ends at the check; tumbling: on Mondays (UTC) for 7 days, judged once
  window_days: 7             # drift: the current window
  window_rows: null          # of which the newest so many rows count; null = all
  performance_days: 28       # performance: how far back outcomes are judged
  max_rows: 20000            # rows per window given to the report, sampled; 5x for performance
  drift:                     # docs/monitoring-quality.md
    false_alarm_rate: 0.01   # share of windows without a change that are not `ok`
    false_discovery_rate: 0.05  # share of columns that are named for nothing
    least_effect: 0.02       # smaller changes than this share of rows are not named
    blocks: null             # days | hours | rows; null = days, or rows without a timestamp
  reports:                   # files of the reports directory; their checks stay
    keep: 200
    keep_days: 90
  estimate:                  # performance before outcomes arrive
    mature_days: 1           # how long outcomes take; younger ones do not count
    lasting_days: 14         # newest days with outcomes that estimates follow,
    recent_days: 3           # and those among them that show what is passing
    coverage: 0.95           # of the intervals, on windows like those of the past
  policy:
    min_rows: 500            # fewer predictions in the window: not enough data
    min_outcomes: 500        # fewer outcomes: no retrain can learn or be judged
    min_outcome_days: 28     # they must span this long: a challenger is judged on days, not rows
    min_days: 7              # fewer days with outcomes: performance is not judged
    cooldown_days: 28        # after a retrain; doubled by each in a row that was not promoted
    retrain_every_days: 56   # also without an alarm; null = never
    performance_t: 2.0       # daily excess loss against expectation, t over days
  gate:
    min_days: 14             # labelled days that neither model has learned from
    min_rows: 500
    min_t: 0.5               # daily loss saved by the challenger, t over days
  retrain:
    deadline_minutes: 60
"""


def params_text(findings: Findings) -> str:
    """The text of params.yaml; the same findings give the same text."""
    chosen = sizes(findings)
    candidates = "\n".join(
        f"    {name}:\n" + "\n".join(f"      {key}: {_flow(v)}" for key, v in values.items())
        for name, values in chosen.candidates.items()
    )
    task, days = findings.answer.task, findings.splitting.holdout_days
    body = TEMPLATE.format(
        data=_data(findings, chosen.min_rows),
        features="\n".join(_feature(column) for column in findings.features),
        left_out=_left_out(findings.left_out),
        max_duplicates=f"max_duplicates: {_tolerated(findings.duplicates)}",
        max_rows=f"max_rows: {chosen.max_rows}",
        calibration=_flow(chosen.calibration), iterations=f"iterations: {chosen.iterations}",
        search_folds=chosen.search_folds, scoring=chosen.scoring, candidates=candidates,
        holdout_days=f"holdout_days: {days}", folds=chosen.folds, bootstrap=chosen.bootstrap,
        metric="mean_absolute_error" if task == "regression" else "log_loss",
        limit="{max: 0.5}",
    )  # fmt: skip
    return f"{MARK}{_digest(body)}\n{body}"


def is_untouched(text: str) -> bool:
    """Whether a params.yaml is as `params_text` made it."""
    first, _, body = text.partition("\n")
    return first == MARK + _digest(body)


def _tolerated(duplicates: float) -> float:
    """A table that repeats rows by its nature may go on to do so."""
    return round(min(1.0, max(0.01, 1.5 * duplicates)), 2)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:DIGEST_LENGTH]


def _data(findings: Findings, min_rows: int) -> str:
    wish, answer, splitting = findings.wish, findings.answer, findings.splitting
    counts = f"rows of each: {', '.join(map(str, answer.counts[:SHOWN_CLASSES]))}"
    last = "; the last one is the positive class" if answer.task == "binary" else ""
    entries = [
        ("source", "table", "data/table, brought by pipeline/adopt.py"),
        ("until", f'"{splitting.until}"', "rows before this day (UTC) are learned from"),
        ("timestamp", _flow(wish.timestamp), "when a row became a question; null: the table"
                                             " does not tell"),
        ("day_first", _flow(splitting.day_first), "03/04 in the timestamp is the third of April"),
        ("id", _flow(wish.id), "rows of one stay together where it repeats"),
        ("task", answer.task, answer.why),
        ("target", _text(wish.target), ""),
        ("classes", _flow(answer.classes), counts + last if answer.classes else ""),
        ("ignored_classes", _flow(answer.ignored), "rows of these are dropped"),
        ("decimal", f'"{answer.decimal}"', "of the target"),
        ("min_rows", str(min_rows), "fewer labelled rows than this: no model"),
        ("split", splitting.split, "how rows are held out: time, stratified, grouped, shuffled"),
    ]  # fmt: skip
    return "\n".join(_entry(*entry) for entry in entries)


def _entry(key: str, value: str, comment: str) -> str:
    told = f"  {key}: {value}"
    return f"{told:<{COMMENT_COLUMN}} # {_comment(comment)}" if comment else told


def _feature(column: Column) -> str:
    asked = column.params.model_dump(exclude_defaults=True)
    inside = ", ".join(f"{key}: {_flow(value)}" for key, value in asked.items())
    return f"  {_text(column.name)}: {{{inside}}}  # {describe(column)}"


def describe(column: Column) -> str:
    """What was seen of a column, in one line."""
    missing = f"{column.missing / column.rows:.1%} missing" if column.missing else "none missing"
    marks = column.reading.missing
    said = [
        f"{column.low} to {column.high}" if column.low is not None else "",
        f"{column.distinct} distinct",
        missing,
        f"as missing: {', '.join(marks[:SHOWN_MARKS])}" if marks else "",
        column.reading.note,
    ]
    return _comment("; ".join(each for each in said if each))


def _left_out(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return ""
    lines = [f"  # {_comment(name)}: {_comment(reason)}" for name, reason in left_out.items()]
    return "\n".join(["  # left out:", *lines, ""])


def _comment(text: str) -> str:
    """One line that ends nowhere else than it should."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _text(text: str) -> str:
    """A name as YAML reads it back, whatever is in it."""
    if PLAIN_NAME.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return _dump(text, style='"')


def _flow(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Sequence):
        return f"[{', '.join(_flow(each) for each in value)}]"
    return _dump(value, style=None)


def _dump(value: Any, style: str | None) -> str:
    dumped = yaml.safe_dump(value, default_style=style, allow_unicode=True, width=float("inf"))
    return str(dumped).removesuffix("\n").removesuffix("\n...")

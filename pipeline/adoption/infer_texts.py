"""What kind of value the texts of a column are, and how they are to be read."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from contracts.params import Kind
from pipeline.columns import MOMENT_TEXT, parse_moments
from pipeline.frames import DatasetError

# RE2's syntax. A number may have thousands apart: 1,234,567.8 or 1.234.567,8 or 1 234 567.
SPACES = "\u00a0\u202f '"
INTEGER = r"^[+-]?\d+$"
NUMBERS = {
    sign: rf"^[+-]?(?:[1-9]\d{{0,2}}(?:[{other}{SPACES}]\d{{3}})+(?:[{sign}]\d*)?"
    rf"|\d+(?:[{sign}]\d*)?|[{sign}]\d+)(?:[eE][+-]?\d+)?$"
    for sign, other in ((".", ","), (",", "."))
}
CODE = r"^0\d+$"  # a leading zero would be lost: a postcode, not a number
DATE = rf"^{MOMENT_TEXT}$"
BARE = r"^\d+$"
DAY_MONTH = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2")
TOKENS = frozenset(
    {"na", "n/a", "n.a.", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", "---", ".", "..",
     "unknown", "unk", "missing", "not available", "not known", "undefined", "#value!", "#div/0!",
     "inf", "-inf", "infinity", "nd", "n.d.", "tbd", "tba", "*", "(null)", "<na>", "nat"}
)  # fmt: skip
WORD_PAIRS = (("no", "yes"), ("false", "true"), ("f", "t"), ("n", "y"), ("off", "on"))
# Beside numbers, texts that are no TOKENS count as missing when they are this few.
MOST_TOKENS = 5
TOKEN_SHARE = 0.05
CHECKED_MOMENTS = 5000


@dataclass(frozen=True)
class Reading:
    """A kind, and how its texts are read; see FeatureParams. `note`: what a person should know."""

    kind: Kind
    decimal: str = "."
    missing: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    day_first: bool = False
    note: str = ""


def read_texts(texts: pa.Array, counts: np.ndarray) -> Reading:
    """Decide by distinct texts how a column is read.

    Args:
        texts: string (n,), distinct, stripped, none empty.
        counts: (n,), rows of each; their proportions matter only.
    """
    return (
        _as_boolean(texts) or _as_numbers(texts, counts) or _as_moments(texts)
        or Reading("categorical")
    )  # fmt: skip


def fits(texts: pa.Array, reading: Reading) -> np.ndarray:
    """bool (n,): which texts look as the reading expects; marks of missing do not."""
    if reading.kind == "categorical":
        return np.ones(len(texts), bool)
    if reading.kind == "boolean":
        words = pa.array([word.lower() for word in reading.words])
        found = pc.is_in(pc.utf8_lower(texts), value_set=words)
        return np.asarray(found.to_numpy(zero_copy_only=False))
    patterns = {"integer": INTEGER, "datetime": DATE, "numeric": NUMBERS[reading.decimal]}
    return _matches(texts, patterns[reading.kind])


def _matches(texts: pa.Array, pattern: str) -> np.ndarray:
    found = pc.match_substring_regex(texts, pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _tokens(texts: pa.Array, wrong: np.ndarray) -> tuple[str, ...]:
    return tuple(sorted(texts.filter(pa.array(wrong)).to_pylist()))


def _known(texts: pa.Array, wrong: np.ndarray) -> bool:
    """Whether all of the wrong texts are usual marks of missing."""
    found = texts.filter(pa.array(wrong))
    return len(found) <= 2 * len(TOKENS) and {t.lower() for t in found.to_pylist()} <= TOKENS


def _as_boolean(texts: pa.Array) -> Reading | None:
    if len(texts) > len(TOKENS):
        return None
    spellings = {text.lower(): text for text in sorted(texts.to_pylist())}
    for false, true in WORD_PAIRS:
        if {false, true} <= spellings.keys() and spellings.keys() <= {false, true} | TOKENS:
            missing = tuple(t for t in texts.to_pylist() if t.lower() not in (false, true))
            return Reading("boolean", missing=tuple(sorted(missing)),
                           words=(spellings[false], spellings[true]))  # fmt: skip
    return None


def _as_numbers(texts: pa.Array, counts: np.ndarray) -> Reading | None:
    found = {sign: _matches(texts, pattern) for sign, pattern in NUMBERS.items()}
    decimal = "," if found[","].sum() > found["."].sum() else "."
    wrong = ~found[decimal]
    if (~wrong).sum() < 2 or not _are_tokens(texts, counts, wrong):
        return None
    numbers = texts.filter(pa.array(~wrong))
    missing = _tokens(texts, wrong)
    if not _matches(numbers, INTEGER).all():
        doubt = found["."].all() and found[","].all()
        note = f"decimal sign {decimal!r} is a guess" if doubt else ""
        return Reading("numeric", decimal, missing, note=note)
    if _matches(numbers, CODE).any():
        return Reading("categorical", note="leading zeros: a code, not a number")
    return Reading("integer", missing=missing)


def _are_tokens(texts: pa.Array, counts: np.ndarray, wrong: np.ndarray) -> bool:
    """Whether the texts that are no numbers stand for missing ones."""
    if _known(texts, wrong):
        return True
    few = wrong.sum() <= MOST_TOKENS and (~wrong).sum() > 4 * MOST_TOKENS
    return bool(few and counts[wrong].sum() <= TOKEN_SHARE * counts.sum())


def _as_moments(texts: pa.Array) -> Reading | None:
    # Bare digits were numbers already.
    wrong = ~_matches(texts, DATE) | _matches(texts, BARE)
    if wrong.all() or not _known(texts, wrong):
        return None
    moments = texts.filter(pa.array(~wrong))
    day_first, note = _day_first(moments)
    step = -(-len(moments) // CHECKED_MOMENTS)
    try:
        parse_moments(pd.Series(moments[::step].to_pylist(), dtype=object), "", day_first)
    except DatasetError:
        return None
    return Reading("datetime", missing=_tokens(texts, wrong), day_first=day_first, note=note)


def _day_first(moments: pa.Array) -> tuple[bool, str]:
    """Whether 03/04 is the third of April: values above 12 tell; if none does, the sign."""
    pairs = [DAY_MONTH.match(text) for text in moments.to_pylist()]
    numbers = [(int(pair[1]), int(pair[3])) for pair in pairs if pair]
    if not numbers:
        return False, ""
    first, second = (max(each) for each in zip(*numbers, strict=True))
    if first > 12 and second > 12:
        return True, "some dates are day first, others month first"
    if max(first, second) > 12:
        return first > 12, ""
    dotted = any(pair and pair[2] == "." for pair in pairs)
    return dotted, f"day_first: {str(dotted).lower()} is a guess: no value is above 12"

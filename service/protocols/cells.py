"""What a table's cell or a tensor's element is as the JSON value that the decoder checks."""

import math
import re

from contracts.params import Kind

# Python's own float() also takes "1_000", "nan" and blanks.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_WORDS = {"true": True, "false": False, "1": True, "0": False}


def from_text(text: str, kind: Kind) -> object:
    """The value of one text of a feature of this kind; empty = missing.

    What cannot be read stays text, so that the decoder refuses it by row and field.
    """
    if text == "":
        return None
    if kind == "boolean":
        return _WORDS.get(text.lower(), text)
    if kind in ("numeric", "integer"):
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return float(text)
    return text


def missing_if_nan(value: object) -> object:
    """NaN marks what is missing in frames and arrays, where JSON has null."""
    return None if isinstance(value, float) and math.isnan(value) else value

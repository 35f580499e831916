"""Names and values as a report may hold them: short, visible, and markup to nobody.

Evidently puts them into a page as they are, and the page passes them on: a value stands in JSON
inside of a script, in tables, in SVG labels with a small markup of their own. Escaping for one of
these would be undone, or shown, by the next; look-alikes mean nothing to any of them.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

import pandas as pd

from contracts.schema import MAGNITUDE_LIMIT, FeatureSchema

LENGTH = 40  # of a shown name or value, in characters
MOST_VALUES = 20  # of one column; the rest is shown as one
REST = "(other values)"
_ONE_UNIT = 0xFFFF  # JSON writes a character beyond it as two
_LOOK_ALIKES = str.maketrans(
    {"<": "‹", ">": "›", "&": "＆", '"': "”", "'": "’", "`": "‘", "\\": "＼", "{": "｛", "}": "｝"}
)


def plain(text: str) -> str:
    """The text without any character that a program could take for more than text.

    Invisible characters become their number, like ‹202e›.
    """
    shown = "".join(_visible(one) for one in text[: LENGTH + 1].translate(_LOOK_ALIKES))
    sizes = list(accumulate(1 + (ord(one) > _ONE_UNIT) for one in shown))
    if not sizes or sizes[-1] <= LENGTH:
        return shown
    return shown[: bisect_right(sizes, LENGTH - 1)] + "…"


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Each as a report shows it; those that would look alike get a number."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        first = shown = plain(name)
        number = 1
        while shown in taken:
            number += 1
            shown = f"{first} ({number})"
        taken.add(shown)
        found[name] = shown
    return found


def plain_values(columns: list[pd.Series]) -> list[pd.Series]:
    """The texts of one column in several frames, the rare ones as REST; missing stays missing."""
    counts = pd.concat([column.value_counts() for column in columns])
    common = counts.groupby(level=0, sort=True).sum().sort_values(ascending=False, kind="stable")
    shown = plain_names(common.index[:MOST_VALUES])
    return [
        column.map(lambda value: shown.get(value, REST), na_action="ignore").astype(object)
        for column in columns
    ]


def type_column(values: pd.Series, name: str, schema: FeatureSchema) -> pd.Series:
    """Numbers as floats, texts as str that any file can hold.

    What is no number is missing, and so is one beyond MAGNITUDE_LIMIT: no picture has a place for
    it, and faults of the data name it.

    A window may have been answered under another schema, in which the name meant something else.
    """
    if name in schema.categorical:
        return values.map(_storable, na_action="ignore").astype(object)
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    return numbers.mask(numbers.abs() > MAGNITUDE_LIMIT)


def _storable(value: object) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode()


def _visible(character: str) -> str:
    return character if character.isprintable() else f"‹{ord(character):02x}›"

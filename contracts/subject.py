"""Whose data it is: a value of one feature, or predictions by their ids. Erasure finds rows by it.

A row knows its subject only by what it holds: its features and its prediction_id.
"""

import hashlib
import html
import json
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

# Of scrypt: some 50 ms a guess, so that a list of likely values takes long to try.
_COST = {"n": 2**14, "r": 8, "p": 1}


@dataclass(frozen=True)
class Subject:
    """Rows whose feature `column` has the value `value`, and rows with one of the ids."""

    column: str | None = None
    value: str = ""
    ids: frozenset[str] = frozenset()

    def owns(self, prediction_id: str, features: str) -> bool:
        """Whether a logged row is theirs.

        Args:
            features: a JSON object, as in `predictions`.
        """
        if prediction_id in self.ids:
            return True
        return self.column is not None and self.is_value(json.loads(features).get(self.column))

    def is_value(self, found: Any) -> bool:
        """Whether a value of the column is theirs: 17 is 17.0, and "17" too."""
        if self.column is None or found is None:
            return False
        if isinstance(found, bool):
            return self.value.lower() == str(found).lower()
        if isinstance(found, str):
            return found == self.value
        try:
            return float(self.value) == float(found)
        except ValueError:
            return False

    def with_ids(self, ids: AbstractSet[str]) -> "Subject":
        return Subject(self.column, self.value, self.ids | ids)

    def text_pattern(self) -> re.Pattern[bytes]:
        """Finds the value, or an id, as a word of its own in text, JSON or HTML."""
        words = self.ids | (_spellings(self.value) if self.column is not None else set())
        either = b"|".join(_forms(words))
        return re.compile(rb"(?<!\w)(?<!\d\.)(?:" + either + rb")(?!\w|\.\d)")

    def row_pattern(self) -> re.Pattern[bytes]:
        """Finds the column with the value, or an id, as a logged row has them."""
        forms = [re.escape(one.encode()) for one in sorted(self.ids)]
        if self.column is not None:
            names = b"|".join(_forms({self.column}))
            either = b"|".join(_forms(_spellings(self.value)))
            pair = b'"(?:%s)":\\s?(?:"(?:%s)"|(?:%s)(?=[,}\\s]))' % (names, either, either)
            forms.append(pair)
        return re.compile(b"|".join(forms))

    def digest(self, salt: bytes) -> str:
        """What a log may say of them: whoever knows the value can recompute it, one at a time."""
        told = json.dumps([self.column, self.value, sorted(self.ids)]).encode()
        return hashlib.scrypt(told, salt=salt, dklen=16, **_COST).hex()


def _spellings(value: str) -> set[str]:
    """A value, and where it is a number its usual forms."""
    try:
        number = float(value)
    except ValueError:
        return {value}
    whole = {str(int(number))} if number.is_integer() else set()
    return {value, str(number), *whole}


def _forms(words: AbstractSet[str]) -> list[bytes]:
    """How words may be written in a file, ready for a pattern."""
    plain = {form for word in words for form in (word, html.escape(word))}
    quoted = {json.dumps(form, ensure_ascii=ascii_only)[1:-1]
              for form in plain for ascii_only in (True, False)}  # fmt: skip
    return [re.escape(form.encode()) for form in sorted(plain | quoted)]

"""A throw-away copy of the product at work, and pictures of its pages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shot:
    """A picture of a page: its path there, its name here, its file beside the report."""

    path: str
    name: str
    file: str


@dataclass(frozen=True)
class Tour:
    """What was done, and what was seen.

    Attributes:
        days: over which the questions were spread.
        checks: what each check decided, in a sentence.
    """

    rows: int
    outcomes: int
    days: int
    checks: tuple[str, ...]
    shots: tuple[Shot, ...]

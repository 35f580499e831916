"""Names and values of a team's table as they are shown to people."""

import unicodedata

LONGEST = 60


def plain(text: object, longest: int = LONGEST) -> str:
    """One line without control characters, cut after `longest` characters."""
    shown = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in str(text))
    line = " ".join(shown.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def short_number(value: float) -> str:
    """Four significant digits, whole numbers whole: 0.1235, 1019, 1.235e-07."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value)}"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"

"""The templates of service/pages and the few filters that they use."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from service.border.log_lines import visible

BRIEF = 160
LONG = 120  # characters of a name


def find_template(name: str) -> Template:
    """A template of service/pages."""
    return _environment().get_template(name)


@lru_cache(1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
    )
    environment.filters.update(minute=_minute, figure=_figure, brief=_brief, short=_short)
    environment.filters.update(share=_share)
    return environment


def _visible(value: object) -> object:
    """Names and values come from requests: none may turn text about, or hide in it."""
    return visible(value) if type(value) is str else value  # not what is markup already


def _short(text: str, most: int = LONG) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _share(value: float | None) -> str:
    """As a percentage; small ones keep a digit."""
    if value is None:
        return ""
    return f"{value:.1%}" if 0 < abs(value) < 0.1 else f"{value:.0%}"


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _figure(value: float | None) -> str:
    return "not judged" if value is None else f"{value:.2f}"


def _brief(verdict: Mapping[str, object]) -> str:
    """The first figures of a gate's verdict on one line."""
    shown = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in verdict.items()
        if isinstance(value, str | int | float)
    )
    return shown if len(shown) <= BRIEF else shown[:BRIEF] + "..."

"""The templates of service/pages and the few filters that they use."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from service.border.log_lines import visible

ASSETS = Path(__file__).parent / "assets"
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
    environment.globals.update(asset=_asset)
    return environment


@cache
def asset_hash(name: str) -> str:
    """Names an asset's content, so that browsers keep it for good and see a new one at once."""
    return sha256((ASSETS / name).read_bytes()).hexdigest()[:12]


def _asset(name: str) -> str:
    return f"/assets/{name}?v={asset_hash(name)}"


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

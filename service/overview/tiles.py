"""Turns facts into the front page's tiles: a figure, how it is, and what it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from service.check_page.findings import section
from service.check_page.performance import Figure, Measure, read_measures
from service.check_page.view import STATES
from service.overview.read import Facts, Traffic

STALE = timedelta(days=2)  # a check is made each day, unless somebody chose otherwise
MOST_FAILED = 0.01
Span = tuple[float, float, float]


@dataclass(frozen=True)
class Tile:
    """One thing about the model.

    Attributes:
        style: good, warn, bad or quiet, with a word for it: colour alone tells nobody.
        bars: heights from 0 to 1 with a style each, and what they say as text.
        spans: low, value and high from 0 to 1 for each check, None = that one knew nothing.
    """

    title: str
    link: str
    style: str
    word: str
    figure: str
    told: str
    bars: tuple[tuple[float, str], ...] = ()
    bars_say: str = ""
    spans: tuple[Span | None, ...] = ()


@dataclass(frozen=True)
class Overview:
    """The front page: a headline, what to do next if there is something, and tiles."""

    style: str
    headline: str
    problems: list[str]
    steps: list[str]
    tiles: list[Tile]


def make_overview(facts: Facts, health: Mapping[str, Any]) -> Overview:
    """Put the front page together.

    Args:
        health: as service.observe.readiness.assess tells it.
    """
    tiles = [
        _champion(facts, health),
        _traffic(facts.traffic),
        _errors(facts.traffic),
        *_quality(facts),
        _inputs(facts),
        _check(facts),
        _retrain(facts),
        _ledger(health["ledger"]),
    ]
    problems = list(health["problems"])
    problems += [f"{tile.title}: {tile.word}" for tile in tiles if tile.style == "bad"]
    style = "bad" if problems else "warn" if any(t.style == "warn" for t in tiles) else "good"
    return Overview(style, _headline(facts, style), problems, _steps(facts), tiles)


def ago(moment: datetime, now: datetime) -> str:
    """How long since, as people say it."""
    seconds = max(0.0, (now - moment).total_seconds())
    for length, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return "just now"


def _headline(facts: Facts, style: str) -> str:
    if facts.change is None:
        return "No model answers yet"
    return {
        "good": "The model is well",
        "warn": "The model answers; something is worth a look",
        "bad": "Somebody should look",
    }[style]


def _steps(facts: Facts) -> list[str]:
    """What a first-time visitor does next."""
    if facts.change is None:
        return [
            "Train a first model: `make repro`, or `python -m pipeline.adopt` for your own table.",
            "Register and promote it: `python -m contracts.registry register build/bundle`, then "
            "`python -m contracts.registry promote VERSION`.",
        ]
    if not facts.has_predictions:
        return ["Ask for a first prediction with the example on the API page."]
    if facts.scheduler_until is None:
        return [
            "Start monitoring, which checks, retrains and alerts: `python -m monitoring.scheduler`."
        ]
    return []


def _champion(facts: Facts, health: Mapping[str, Any]) -> Tile:
    if facts.change is None:
        return Tile("Champion", "/models", "quiet", "none", "-", "no version is promoted")
    learned = facts.model.trained_until if facts.model else None
    until = f", has learned until {learned:%d %B %Y}" if learned else ""
    answers = health["model_version"] == facts.change.version
    return Tile(
        "Champion",
        "/models",
        "good" if answers else "bad",
        "answers" if answers else "does not answer here",
        facts.change.version,
        f"champion since {ago(facts.change.changed_at, facts.now)}{until}",
    )


def _traffic(traffic: Traffic) -> Tile:
    most = max(*traffic.requests, 1)
    bars = tuple((number / most, "plan") for number in traffic.requests)
    day = sum(traffic.requests)
    return Tile(
        "Requests in the last hour", "/metrics", "good" if traffic.last_hour else "quiet",
        "asked" if traffic.last_hour else "idle", f"{traffic.last_hour:,}",
        f"{day:,} in the last 24 hours", bars, f"Requests by half hour, at most {most:,}",
    )  # fmt: skip


def _errors(traffic: Traffic) -> Tile:
    share = traffic.last_hour_failed / traffic.last_hour if traffic.last_hour else None
    style = "quiet" if share is None else "bad" if share > MOST_FAILED else "good"
    words = {"quiet": "nothing asked", "bad": "many", "good": "few"}
    return Tile(
        "Failed in the last hour", "/metrics", style, words[style],
        "-" if share is None else f"{share:.2%}",
        f"{traffic.last_hour_failed:,} requests that the model did not answer",
    )  # fmt: skip


def _quality(facts: Facts) -> list[Tile]:
    """The champion's first measure, come true and estimated."""
    last = facts.checks[-1] if facts.checks else None
    measures = read_measures(last["findings"], {}) if last else []
    if last is None or not measures:
        told = "the first check with outcomes will tell"
        return [Tile("Quality", "/monitoring", "quiet", "not known yet", "-", told)]
    link, (first, *_) = f"/reports/{last['check_id']}", measures
    worse = section(last["findings"], "performance").get("worse") is True
    past = [_named(check, first.name) for check in facts.checks]
    realised = [one.realised if one else Figure(None) for one in past]
    estimated = [one.estimated if one else Figure(None) for one in past]
    ends = [end for one in (*realised, *estimated) for end in _ends(one)]
    style = "bad" if worse else "good"
    return [
        _measured(f"{first.name}, come true", link, realised, style, ends),
        _measured(f"{first.name}, estimated", link, estimated, "good", ends),
    ]


def _named(check: Mapping[str, Any], name: str) -> Measure | None:
    measures = read_measures(check["findings"], {})
    return next((one for one in measures if one.name == name), None)


def _ends(figure: Figure) -> tuple[float, ...]:
    return () if figure.value is None else (figure.interval or ()) + (figure.value,)


def _measured(
    title: str, link: str, figures: Sequence[Figure], style: str, ends: Sequence[float]
) -> Tile:
    """The newest figure, and those of the checks before it on the scale of all `ends`."""
    figure = figures[-1]
    if figure.value is None:
        return Tile(title, link, "quiet", "not known yet", "-", "too few outcomes so far")
    between = figure.interval
    told = f"95 % interval {between[0]:.3f} to {between[1]:.3f}" if between else "no interval"
    word = "worse than expected" if style == "bad" else "as expected"
    lowest, width = min(ends), max(max(ends) - min(ends), 1e-9)
    spans = tuple(_span(one, lowest, width) for one in figures)
    known = [f"{one.value:.3f}" for one in figures if one.value is not None]
    said = f"Of the last {len(known)} checks that knew it, oldest first: {', '.join(known)}"
    return Tile(title, link, style, word, f"{figure.value:.3f}", told, (), said, spans)


def _span(figure: Figure, lowest: float, width: float) -> Span | None:
    if figure.value is None:
        return None
    low, high = figure.interval or (figure.value, figure.value)
    return (low - lowest) / width, (figure.value - lowest) / width, (high - lowest) / width


def _inputs(facts: Facts) -> Tile:
    if not facts.checks:
        return Tile("Inputs", "/monitoring", "quiet", "not checked yet", "-", "no check has run")
    last = facts.checks[-1]
    style, word = STATES.get(last["state"], ("quiet", last["state"]))
    causes = section(last["findings"], "inputs").get("causes") or []
    told = f"first cause: {causes[0]}" if causes else "no column stands out"
    bars = tuple((_HEIGHTS.get(c["state"], 0.3), STATES.get(c["state"], ("quiet", ""))[0])
                 for c in facts.checks)  # fmt: skip
    said = f"States of the last {len(bars)} checks: " + ", ".join(c["state"] for c in facts.checks)
    return Tile("Inputs", f"/reports/{last['check_id']}", style, word, last["state"], told, bars,
                said)  # fmt: skip


_HEIGHTS = {"ok": 0.35, "watch": 0.7, "alarm": 1.0}


def _check(facts: Facts) -> Tile:
    lives = facts.scheduler_until is not None and facts.scheduler_until > facts.now
    coming = (
        f"the next at {facts.next_check:%d %B, %H:%M} UTC" if lives and facts.next_check else ""
    )
    if not facts.checks:
        word = "scheduled" if lives else "monitoring does not run"
        return Tile(
            "Last check", "/monitoring", "quiet", word, "none", coming or "no check has run yet"
        )
    last = facts.checks[-1]
    late = facts.now - last["checked_at"] > STALE
    style, word = ("good", "runs") if lives else ("bad", "monitoring does not run")
    if lives and late:
        style, word = "warn", "long ago"
    told = "; ".join(filter(None, [coming, f"decided {last['decision']}: {last['reason']}"]))
    return Tile("Last check", f"/reports/{last['check_id']}", style, word,
                ago(last["checked_at"], facts.now), told)  # fmt: skip


def _retrain(facts: Facts) -> Tile:
    row = facts.retrain
    if row is None:
        return Tile(
            "Last retrain", "/monitoring", "quiet", "none", "none", "none was needed so far"
        )
    style = "warn" if row.state == "failed" else "good"
    return Tile("Last retrain", "/monitoring", style, row.state, ago(row.started_at, facts.now),
                row.reason)  # fmt: skip


def _ledger(ledger: Mapping[str, Any]) -> Tile:
    waiting = ledger["waiting_rows"]
    style = "bad" if not ledger["balanced"] else "warn" if waiting else "good"
    words = {"bad": "rows are missing", "warn": "waits for the database", "good": "balanced"}
    return Tile(
        "Ledger", "/health/ready", style, words[style], f"{ledger['answered']:,}",
        f"rows answered since this process started, {waiting:,} wait in the spool",
    )  # fmt: skip

"""One check as its page shows it; nothing here reads a database or writes HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.check_page.apart import Apart, read_apart
from service.check_page.causes import Cause, read_causes
from service.check_page.findings import entries, interval, number, section, texts
from service.check_page.harm import Harm, read_harm
from service.check_page.performance import (
    Measure,
    Verdict,
    judge,
    loss_name,
    read_estimate,
    read_measures,
    read_settled,
)
from service.check_page.trend import Chart, Line, draw, place

Check = Mapping[str, Any]  # of service.queries.list_checks

STATES = {
    "ok": ("good", "inputs as usual"),
    "watch": ("warn", "inputs changed"),
    "alarm": ("bad", "the data has faults"),
    "not enough data": ("quiet", "not enough data to judge the inputs"),
    "not judged": ("quiet", "inputs not judged"),
}
_DECISIONS = {
    "keep": "The champion stays.",
    "retrain": "A retrain was asked for.",
    "recalibrate": "The champion is to be recalibrated.",
    "rollback": "The champion is to be rolled back.",
    "stop": "Nothing is learned until a person has looked.",
}


@dataclass(frozen=True)
class Mark:
    """One check in the row of past ones."""

    check_id: str
    checked_at: datetime
    x: float
    style: str
    text: str
    current: bool


@dataclass(frozen=True)
class View:
    check: Check
    style: str
    state: str
    decision: str
    reasons: list[str]
    judged_by: str | None  # the check whose findings of the window these are; None = this one
    late: int  # rows of earlier windows, or of this one, that came after they were judged
    versions: list[tuple[str, float]]  # share of the window's rows, largest first
    p: float | None
    rate: float | None
    causes: list[Cause]
    weighed: float | None  # drift of what the champion looks at, 0 to 1
    loss: str  # what it is called
    harm: Harm | None
    apart: Apart | None
    verdict: Verdict | None
    measures: list[Measure]
    outlook: list[str]  # what an estimate cannot see
    marks: list[Mark]
    charts: list[Chart]
    not_compared: list[tuple[str, str]]
    missing: list[tuple[str, float, float]]
    error: str | None
    report: str | None


def make_view(
    check: Check, past: Sequence[Check], metrics: Mapping[str, Any], report: str | None
) -> View:
    """Put a check's page together.

    Args:
        past: this check and those before it, oldest first.
        metrics: of the version, as its evaluation found them; empty if nobody knows it.
        report: name of the file that Evidently made, if it is still there.
    """
    found = check["findings"]
    drift, name = section(found, "drift"), loss_name(metrics)
    inputs, harm = section(found, "inputs"), read_harm(found, name)
    window, by = section(found, "window"), section(found, "window").get("by")
    style, state = STATES.get(check["state"], ("quiet", check["state"]))
    told = (texts(inputs, "reasons"), harm.reasons if harm else [])
    return View(
        check,
        style,
        state,
        _DECISIONS.get(check["decision"], f"The decision: {check['decision']}."),
        _reasons(check["reason"], *told, check["state"]),
        by if isinstance(by, str) else None,
        round(sum(number(each, "rows") or 0 for each in entries(window, "late"))),
        _versions(section(drift, "versions"), check["model_version"]),
        number(inputs, "p"),
        number(inputs, "rate"),
        read_causes(found),
        number(section(found, "weighed"), "drift"),
        name,
        harm,
        read_apart(found),
        judge(found, name),
        read_measures(found, metrics),
        texts(section(found, "estimated"), "reasons"),
        [_mark(each, i, len(past), check) for i, each in enumerate(past)],
        _charts([each["findings"] for each in past], name) if len(past) > 1 else [],
        [(str(column), str(why)) for column, why in section(drift, "not_judged").items()],
        _missing(section(drift, "missing")),
        str(drift["error"]) if "error" in drift else None,
        report,
    )


def _versions(shares: Mapping[str, Any], champion: str) -> list[tuple[str, float]]:
    known = [(str(name), number(shares, name) or 0.0) for name in shares]
    return sorted(known, key=lambda each: -each[1]) or [(champion, 1.0)]


def _mark(check: Check, i: int, total: int, current: Check) -> Mark:
    style, state = STATES.get(check["state"], ("quiet", check["state"]))
    return Mark(
        check["check_id"],
        check["checked_at"],
        place(i, total),
        style,
        f"{check['checked_at']:%Y-%m-%d %H:%M}: {state}; {check['decision']}",
        check["check_id"] == current["check_id"],
    )


def _charts(found: Sequence[Mapping[str, Any]], name: str) -> list[Chart]:
    realised = [section(each, "performance") for each in found]
    expected = Line("expected", "plan", [number(each, "expected") for each in realised])
    charts = [
        draw(f"{name} above what the answers promise", [_realised(realised, "excess")]),
        draw(name, [_realised(realised, "loss"), expected]),
        draw("ROC AUC", [_realised(realised, "roc_auc")]),
        _against(found, "loss", f"{name} of each window, estimated and come true"),
        _against(found, "roc_auc", "ROC AUC of each window, estimated and come true"),
    ]
    return [chart for chart in charts if chart is not None]


def _realised(found: Sequence[Mapping[str, Any]], key: str) -> Line:
    around = [interval(each, f"{key}_interval") for each in found]
    return Line("realised, with its 95 % interval", "real", [number(f, key) for f in found], around)


def _against(found: Sequence[Mapping[str, Any]], key: str, title: str) -> Chart | None:
    """Estimates of windows beside what their outcomes brought; None without estimates."""
    estimates = [read_estimate(each, key) for each in found]
    if all(each.value is None for each in estimates):
        return None
    around = [each.interval for each in estimates]
    lines = [
        Line("estimated before, with its interval", "guess", [e.value for e in estimates], around),
        Line("once outcomes came", "real", [read_settled(each, key) for each in found]),
    ]
    return draw(title, lines)


def _missing(shares: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    pairs = [(str(column), interval(shares, column)) for column in shares]
    changed = [(c, *both) for c, both in pairs if both is not None and both[0] != both[1]]
    return sorted(changed, key=lambda each: -abs(each[2] - each[1]))


def _reasons(reason: str, told: Sequence[str], harm: Sequence[str], state: str) -> list[str]:
    """The decision's reason in parts: those of the inputs, which it quotes, are one each.

    Those of the harm are shown by themselves.
    """
    before, of_inputs, after = _part(reason, told)
    last, _, estimates = _part(after, harm)
    return [part for part in (before, *of_inputs, last, estimates) if part not in ("", state)]


def _part(text: str, quoted: Sequence[str]) -> tuple[str, Sequence[str], str]:
    """What stands before what is quoted, the quotes, and what follows: all of it if none is."""
    whole = "; ".join(quoted)
    if not whole or whole not in text:
        return "", (), text
    before, _, after = text.partition(whole)
    return before.rstrip(":; "), quoted, after.removeprefix("; ")

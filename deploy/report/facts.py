"""What the report works out of the files: counts, shares, extremes. No words and no pictures."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from contracts.params import Params

Facts = dict[str, Any]
LEAST_SHARE = 0.01  # of rows: a smaller group is no example of anything
SHOWN_SEGMENTS = 5
SURE = 0.9  # of the windows: a change that is found as often counts as found


def data_facts(frame: pd.DataFrame, golden: pd.DataFrame, params: Params) -> Facts:
    """The prepared rows in numbers."""
    time, late = frame[params.data.time_column], positive(frame, params)
    days = late.groupby(time.dt.floor("D")).mean()
    return {
        "rows": len(frame),
        "table_from": min(time.min(), *golden[time.name].iloc[:1]),
        "table_to": max(time.max(), *golden[time.name].iloc[-1:]),
        "from": time.min(),
        "to": time.max(),
        "share": late.mean(),
        "best_day": {"day": days.idxmin(), "share": days.min()},
        "worst_day": {"day": days.idxmax(), "share": days.max()},
        "by": {name: _extremes(frame[name], late) for name in _groupable(params)},
        "hour": _extremes(frame.sched_dep // 60, late) if "sched_dep" in frame else None,
        "missing": _missing(frame, late, params),
    }


def positive(frame: pd.DataFrame, params: Params) -> pd.Series:
    """1.0 where the last class is the truth."""
    return (frame[params.data.target] == params.data.classes[-1]).astype(float)


def _groupable(params: Params) -> list[str]:
    return [name for name, each in params.features.items() if each.kind == "categorical"]


def _extremes(groups: pd.Series, late: pd.Series) -> Facts:
    """The groups with the smallest and the largest share, of those that are large enough."""
    means = late.groupby(groups).agg(["mean", "size"])
    means = means[means["size"] >= LEAST_SHARE * len(late)]
    shares = means["mean"].sort_values()
    return {
        "low": shares.index[0],
        "low_share": shares.iloc[0],
        "high": shares.index[-1],
        "high_share": shares.iloc[-1],
        "groups": groups.nunique(),
    }


def _missing(frame: pd.DataFrame, late: pd.Series, params: Params) -> list[Facts]:
    """Columns with gaps, the emptiest first, with the share of positives where they are missing."""
    found = [
        {
            "name": name,
            "share": frame[name].isna().mean(),
            "late_missing": late[frame[name].isna()].mean(),
            "late_known": late[frame[name].notna()].mean(),
        }
        for name in params.features
        if frame[name].isna().any()
    ]
    return sorted(found, key=lambda each: -each["share"])


def search_facts(search: pd.DataFrame, chosen: Mapping[str, Any]) -> Facts:
    """The best draw of each candidate, best first, and what was chosen."""
    best = (
        search.sort_values("mean_score", ascending=False).groupby("candidate", sort=False).head(1)
    )
    recipe = chosen["recipe"]
    return {
        "draws": len(search),
        "candidates": [
            {"name": row.candidate, "loss": -row.mean_score, "error": row.std_score,
             "values": json.loads(row["values"]), "chosen": row.candidate == recipe["candidate"]}
            for _, row in best.iterrows()
        ],
        "recipe": recipe,
        "loss": -recipe["score"],
        "losses": chosen["losses"],
        "rows": int(search["rows"].max()),
    }  # fmt: skip


def segment_facts(segments: pd.DataFrame) -> list[Facts]:
    """The weakest groups of rows, largest loss above the rest first."""
    worst = segments.sort_values("difference", ascending=False).head(SHOWN_SEGMENTS)
    return [dict(row) for _, row in worst.iterrows()]


def confusion_facts(metrics: Mapping[str, Any]) -> Facts:
    """The four kinds of answers at the threshold."""
    (right_no, false_alarm), (missed, right_yes) = metrics["confusion_matrix"]
    return {"right_no": right_no, "false_alarm": false_alarm, "missed": missed,
            "right_yes": right_yes, "warned": false_alarm + right_yes}  # fmt: skip


def stage_facts(lock: Mapping[str, Any], pipeline: Mapping[str, Any]) -> list[Facts]:
    """Each stage that dvc.lock knows, in the order of dvc.yaml."""
    known = {name: lock["stages"][name] for name in pipeline["stages"] if name in lock["stages"]}
    return [
        {"name": name, "reads": len(stage["deps"]), "writes": len(stage["outs"]),
         "bytes": sum(each["size"] for each in stage["outs"])}
        for name, stage in known.items()
    ]  # fmt: skip


def replay_facts(replay: Mapping[str, Any] | None) -> Facts | None:
    """The replay's totals: means over its months, each by its outcomes."""
    if replay is None:
        return None
    months = replay["months"]
    rows = sum(m["outcomes"] for m in months)
    means = {
        measure: {
            system: sum(m[measure][system] * m["outcomes"] for m in months) / rows
            for system in ("live", "never", "monthly")
        }
        for measure in ("log_loss", "roc_auc")
    }
    gains = {m["month"]: m["log_loss"]["never"] - m["log_loss"]["live"] for m in months}
    return {
        **replay,
        **means,
        "minutes": replay["seconds"] / 60,
        "alarms": sum(m["alarms"] for m in months),
        "better": sum(gain > 0 for gain in gains.values()),
        "best": {"month": max(gains, key=gains.__getitem__), "gain": max(gains.values())},
        "worst": {"month": min(gains, key=gains.__getitem__), "gain": min(gains.values())},
    }


def drift_facts(drift: Mapping[str, Any] | None) -> Facts | None:
    """Changes that were put into windows, and in how many each was found, by length of window."""
    if drift is None:
        return None
    longest: dict[str, list[float]] = {}
    for sizes in drift["power"].values():
        for size, found in sizes.items():
            longest.setdefault(size, []).append(found["detected"])
    asked = [each["evidently_windows"] for each in drift["false_alarm_rate"].values()]
    spans = {size: shares for size, shares in longest.items() if "day" in size}
    return {
        "quiet": drift["false_alarm_rate"],
        "asked": (min(asked), max(asked)),
        "windows": sum(each["windows"] for each in drift["false_alarm_rate"].values()),
        "changes": len(drift["power"]),
        "by_span": [
            {"days": int(size.split()[0]), "changes": len(shares),
             "found": sum(share >= SURE for share in shares)}
            for size, shares in spans.items()
        ],
        "sure": SURE,
    }  # fmt: skip

"""Pictures of the data: when and for whom the answer is yes, what is missing, who learns what."""

import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from contracts.params import Params
from deploy.report.facts import LEAST_SHARE, positive
from deploy.report.pictures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    as_percent,
    canvas,
    finish,
    with_grid,
)
from pipeline.profiling.charts import label

MOST_GROUPS = 16
DAYS = 7


def draw_by_time(frame: pd.DataFrame, params: Params) -> Markup:
    """The share by month, and by day with the mean of a week."""
    late, time = positive(frame, params), frame[params.data.time_column].dt.tz_convert(None)
    with canvas(1.95, 1, 2.4, share_y=True) as (figure, (left, right)):
        months = late.groupby(time.dt.to_period("M")).mean()
        bars = left.bar(
            [f"{m.to_timestamp():%b %Y}" for m in months.index], months, color=GREEN, width=0.6
        )
        left.bar_label(bars, [f"{share:.0%}" for share in months], fontsize=7)
        left.set_title("by month")
        days = late.groupby(time.dt.floor("D")).mean()
        right.plot(days.index, days, color=PALE, linewidth=1, marker=".", label="each day")
        week = days.rolling(DAYS, center=True).mean()
        right.plot(week.index, week, color=GREEN, linewidth=1.8, label="mean of a week")
        right.axhline(late.mean(), color=GREY, linewidth=0.8, linestyle=":", label="all rows")
        right.set_title("by day")
        right.legend(frameon=False, ncols=3, loc="upper left", fontsize=6.5)
        for axes in (left, right):
            with_grid(axes)
        as_percent(left)
        left.set_ylim(0, 1.12 * float(days.max()))
        return finish(figure)


def draw_by_hour(frame: pd.DataFrame, params: Params) -> Markup | None:
    """The share and the number of rows by the hour of departure; None = no such column."""
    if "sched_dep" not in frame:
        return None
    late = positive(frame, params).groupby(frame.sched_dep // 60).agg(["mean", "size"])
    late = late[late["size"] >= LEAST_SHARE / 10 * len(frame)]
    with canvas(1.8, 1, 1) as (figure, (left, right)):
        left.bar(late.index, late["mean"], color=GREEN, width=0.8)
        left.set_title("share that came late")
        as_percent(left)
        right.bar(late.index, late["size"], color=PALE, width=0.8)
        right.set_title("flights")
        for axes in (left, right):
            axes.set_xticks(range(int(late.index.min()), int(late.index.max()) + 1, 2))
            axes.set_xlabel("scheduled hour of departure, local time")
            with_grid(axes)
        return finish(figure)


def draw_by_group(frame: pd.DataFrame, params: Params, names: list[str]) -> Markup | None:
    """The share by the commonest categories of some columns; None = there are no such columns."""
    shown = [name for name in names if name in frame]
    if not shown:
        return None
    late = positive(frame, params)
    sizes = [min(frame[name].nunique(), MOST_GROUPS) for name in shown]
    with canvas(1.75, *[max(size, 5) for size in sizes], share_y=True) as (figure, every):
        for axes, name in zip(every, shown, strict=True):
            _bars(axes, frame[name], late)
        as_percent(every[0])
        return finish(figure)


def _bars(axes: Axes, groups: pd.Series, late: pd.Series) -> None:
    means = late.groupby(groups).agg(["mean", "size"]).nlargest(MOST_GROUPS, "size")
    means = means[means["size"] >= LEAST_SHARE * len(late)]
    means = means.sort_values("mean")
    axes.bar([label(each, 10) for each in means.index], means["mean"], color=GREEN, width=0.7)
    axes.axhline(late.mean(), color=GREY, linewidth=0.8, linestyle=":")
    axes.set_title(f"by {groups.name}")
    axes.tick_params(axis="x", labelsize=6.5)
    with_grid(axes)


def draw_missing(missing: list[dict[str, float]]) -> Markup | None:
    """Which columns have gaps, and the share with and without them; None = no gaps."""
    if not missing:
        return None
    names = [label(each["name"]) for each in missing][::-1]
    rows = range(len(names))
    with canvas(0.75 + 0.17 * len(names), 1, 1, share_y=True) as (figure, (left, right)):
        shares = [each["share"] for each in missing][::-1]
        bars = left.barh(rows, shares, color=GREEN, height=0.65)
        left.bar_label(bars, [f"{share:.1%}" for share in shares], padding=2, fontsize=6.5)
        left.set_xlim(0, min(1.0, 1.2 * max(shares)))
        left.set_title("rows in which the value is missing")
        left.set_yticks(rows, names)
        for key, colour, told in (
            ("late_known", GREY, "known"),
            ("late_missing", ORANGE, "missing"),
        ):
            values = [each[key] for each in missing][::-1]
            right.plot(values, rows, "o", color=colour, markersize=4.5, label=f"value {told}")
        right.set_title("share that came late")
        right.legend(frameon=False, fontsize=6.5, loc="best")
        for axes in (left, right):
            as_percent(axes, "x")
            with_grid(axes, "x")
        return finish(figure)


def draw_roles(
    prepared: pd.DataFrame, golden: pd.DataFrame | None, holdout: pd.DataFrame, params: Params
) -> Markup:
    """Rows by day, coloured by what they are used for."""
    time = params.data.time_column
    cut = holdout[time].min()
    roles = {
        "learned from only": (prepared[prepared[time] < cut], PALE),
        "held out first, to judge the recipe": (prepared[prepared[time] >= cut], BLUE),
        "golden: never learned from": (golden, ORANGE),
    }
    with canvas(1.75) as (figure, (axes,)):
        for name, (rows, colour) in roles.items():
            if rows is not None and len(rows):
                days = rows.groupby(rows[time].dt.tz_convert(None).dt.floor("D")).size()
                axes.bar(days.index, days, color=colour, width=0.9, label=name)
        axes.set_ylabel("rows a day")
        axes.set_ylim(top=1.25 * axes.get_ylim()[1])
        axes.legend(frameon=False, ncols=3, loc="upper left", fontsize=6.5)
        with_grid(axes)
        return finish(figure)

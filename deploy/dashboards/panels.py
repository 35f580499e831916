"""What a dashboard is made of, and the JSON that Grafana 11 loads of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

TAG = "perennial"
SCHEMA_VERSION = 39  # Grafana 11
COLUMNS = 24
HEIGHTS = {"timeseries": 8, "stat": 4}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """PromQL; `legend` names its lines: text, or {{label}}."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One graph, or one figure.

    Attributes:
        description: what it means, and what to do; shown beside the title.
        unit: Grafana's id of it.
        limit: from here on it is red; the alert's threshold. None = there is none.
        low_is_bad: red below the limit instead.
        width: of 24 columns.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat"] = "timeseries"
    limit: float | None = None
    low_is_bad: bool = False
    width: int = 12


@dataclass(frozen=True)
class Dashboard:
    """Panels from left to right, line by line."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]


def stat(
    title: str, description: str, unit: str, expr: str, limit: float | None = None,
    *, low_is_bad: bool = False,
) -> Panel:  # fmt: skip
    """One figure, a quarter of the width."""
    queries = (Query(expr, title),)
    return Panel(title, description, unit, queries, "stat", limit, low_is_bad, width=6)


def as_json(board: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana's file."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [_datasource()]},
        "links": [_links()],
        "annotations": {"list": []},
        "panels": _placed(board.panels),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource",
            "query": "prometheus", "current": {}, "hide": 0, "refresh": 1, "regex": "",
            "multi": False, "includeAll": False, "options": []}  # fmt: skip


def _links() -> dict[str, Any]:
    """To the others, which bear the same tag, at the same time."""
    return {"type": "dashboards", "title": "Perennial", "tags": [TAG], "asDropdown": False,
            "keepTime": True, "includeVars": True, "targetBlank": False, "icon": "external link",
            "tooltip": "", "url": ""}  # fmt: skip


def _placed(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    found, x, y, line = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        height = HEIGHTS[panel.kind]
        if x + panel.width > COLUMNS or (x and height != line):
            x, y = 0, y + line
        line = height
        where = {"x": x, "y": y, "w": panel.width, "h": height}
        found.append(_panel(panel, number, where))
        x += panel.width
    return found


def _panel(panel: Panel, number: int, where: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": where,
        "targets": [_target(i, query, panel.kind) for i, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
    }


def _target(index: int, query: Query, kind: str) -> dict[str, Any]:
    now = kind == "stat"
    return {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": query.expr,
            "legendFormat": query.legend, "editorMode": "code", "instant": now,
            "range": not now}  # fmt: skip


def _defaults(panel: Panel) -> dict[str, Any]:
    first, last = ("red", "green") if panel.low_is_bad else ("green", "red")
    steps: list[dict[str, Any]] = [{"color": first if panel.limit is not None else "blue",
                                    "value": None}]  # fmt: skip
    if panel.limit is not None:
        steps.append({"color": last, "value": panel.limit})
    defaults: dict[str, Any] = {"unit": panel.unit,
                                "thresholds": {"mode": "absolute", "steps": steps}}  # fmt: skip
    if panel.kind == "stat":
        return {**defaults, "color": {"mode": "thresholds"}}
    style = "off" if panel.limit is None else "dashed"
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "auto",
              "spanNulls": False, "thresholdsStyle": {"mode": style}}  # fmt: skip
    return {**defaults, "color": {"mode": "palette-classic"}, "custom": custom}


def _options(kind: str) -> dict[str, Any]:
    if kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "colorMode": "value", "graphMode": "none", "textMode": "auto"}  # fmt: skip
    return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"}}  # fmt: skip

"""deploy/grafana as files: what Grafana 11 asks of them, and what we ask of every panel."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dashboards.__main__ import DASHBOARDS, DIRECTORY, as_text, files
from tests.service.test_rules import METRIC, rules

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
BOARDS = [json.loads(as_text(board)) for board in DASHBOARDS]
PANELS = [(board["uid"], panel) for board in BOARDS for panel in board["panels"]]
NAMES = [f"{uid}: {panel['title']}" for uid, panel in PANELS]
# Ids of Grafana's units that are used here; a wrong one is shown as text behind the number.
UNITS = {"short", "percentunit", "s", "bytes", "reqps", "rowsps"}


def provisioned(name: str) -> Any:
    return yaml.safe_load((GRAFANA / "provisioning" / name).read_text())


def test_the_committed_files_are_what_the_descriptions_say() -> None:
    found = {path: path.read_text() for path in DIRECTORY.glob("*.json")}
    assert found == files(), "run `python -m deploy.dashboards`"


def test_the_five_dashboards_are_there_and_link_to_each_other() -> None:
    names = {board["uid"].removeprefix("perennial-") for board in BOARDS}
    assert names == {"service", "quality", "drift", "retrains", "ledger"}
    for board in BOARDS:
        (link,) = board["links"]
        assert link["type"] == "dashboards"
        assert set(link["tags"]) <= set(board["tags"])
        assert board["schemaVersion"] == 39
        assert [v["type"] for v in board["templating"]["list"]] == ["datasource"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_panels_have_ids_of_their_own_and_do_not_overlap(board: dict[str, Any]) -> None:
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        where = panel["gridPos"]
        assert 0 <= where["x"] and where["x"] + where["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


@pytest.mark.parametrize("panel", [panel for _, panel in PANELS], ids=NAMES)
def test_a_panel_says_what_it_means_and_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["type"] in ("timeseries", "stat")
    for target in [panel, *panel["targets"]]:
        assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


@pytest.mark.parametrize("panel", [panel for _, panel in PANELS], ids=NAMES)
def test_a_panel_names_only_what_is_documented_or_recorded(panel: dict[str, Any]) -> None:
    documented = (ROOT / "docs" / "metrics.md").read_text()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for target in panel["targets"]:
        names = set(re.findall(METRIC, target["expr"]))
        ours = {re.sub("_(bucket|count|sum)$", "", n) for n in names if not n.startswith("probe_")}
        assert all(f"| `{name}` |" in documented for name in ours), target["expr"]
        assert set(re.findall(r"perennial:[\w:]+", target["expr"])) <= recorded


def test_grafana_is_told_of_prometheus_and_of_the_files() -> None:
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    (provider,) = provisioned("dashboards/perennial.yml")["providers"]
    mounted = [volume.split(":")[:2] for volume in compose["grafana"]["volumes"]]
    assert ["./deploy/grafana/dashboards", provider["options"]["path"]] in mounted
    assert ["./deploy/grafana/provisioning", "/etc/grafana/provisioning"] in mounted

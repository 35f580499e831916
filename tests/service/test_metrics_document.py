"""docs/metrics.md against /metrics itself."""

import re
from pathlib import Path

from sqlalchemy import Engine
from starlette.testclient import TestClient

from contracts.settings import Settings
from service.app import create_app
from service.observe.metrics import GAUGE_RULES
from tests.bundles import EXAMPLE

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
OWN_WORD = {"sum": "sum", "max": "greatest", "min": "least"}


def documented() -> dict[str, list[str]]:
    """Each metric of the tables with its other cells."""
    rows = re.findall(r"^\| `((?:perennial|process|python)_\w+)` \| (.*) \|$", DOCUMENT.read_text(),
                      re.MULTILINE)  # fmt: skip
    return {name: re.split(r"\s*\|\s*", rest) for name, rest in rows}


def shown(settings: Settings) -> dict[str, str]:
    """Each metric of a running service with its kind."""
    with TestClient(create_app(settings)) as client:
        client.post("/predict", json={"features": EXAMPLE})
        text = client.get("/metrics").text
        while "perennial_quality_rows" not in text:  # it looks once as it starts
            text = client.get("/metrics").text
    return dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))


def test_the_document_lists_exactly_what_is_shown(
    settings: Settings, champion: str, engine: Engine
) -> None:
    found = shown(settings)
    assert found.keys() == documented().keys()
    assert found == {name: cells[0] for name, cells in documented().items()}


def test_every_metric_has_its_rule_for_several_workers() -> None:
    for name, cells in documented().items():
        if cells[0] != "gauge":
            assert len(cells) == 3 or cells[3] == "sum"
        elif GAUGE_RULES.get(name, "max") == "worker":
            assert "worker" in cells[1]
        elif name.startswith("perennial"):
            assert cells[3] == OWN_WORD[GAUGE_RULES.get(name, "max")], name
    assert GAUGE_RULES.keys() <= documented().keys()

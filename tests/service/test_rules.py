"""monitoring/prometheus/rules.yml against /metrics, the document, and promtool if it is there."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from contracts.settings import Settings
from tests.service.test_metrics_document import DOCUMENT, shown

RULES = Path(__file__).parents[2] / "monitoring" / "prometheus" / "rules.yml"


def rules() -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]


def test_every_metric_of_the_rules_is_exported(
    settings: Settings, champion: str, engine: Engine
) -> None:
    exported = shown(settings)
    for rule in rules():
        named = set(re.findall(r"\b(?:perennial|process)_\w+", rule["expr"]))
        assert named or rule["alert"] == "ServiceDown"  # `up` is Prometheus' own
        families = {re.sub("_bucket$", "", name) for name in named}
        assert families <= exported.keys(), rule["alert"]


def test_the_document_lists_every_alert() -> None:
    listed = re.findall(r"^\| `([A-Z]\w+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert listed == [rule["alert"] for rule in rules()]


@pytest.mark.slow
def test_alerts_fire_where_their_trouble_is() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    run = subprocess.run(
        [promtool, "test", "rules", "rules_test.yml"], cwd=RULES.parent,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr

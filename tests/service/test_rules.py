"""monitoring/prometheus/ against /metrics, the documents, and promtool if it is there."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from contracts.settings import Settings
from tests.service.test_metrics_document import shown

ROOT = Path(__file__).parents[2]
RULES = ROOT / "monitoring" / "prometheus" / "rules.yml"
TESTS = sorted(RULES.parent.glob("*_test.yml"))
OPERATIONS = ROOT / "docs" / "operations.md"
# Of Prometheus itself, and of the exporter that looks at certificates; tests/observability asks it.
OTHERS = {"up", "probe_success", "probe_ssl_earliest_cert_expiry"}
METRIC = r"(?<![:\w])(?:perennial|process|probe)_\w+|\bup\b"


def rules() -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]


def alerts() -> list[str]:
    return [rule["alert"] for rule in rules() if "alert" in rule]


def expectations() -> set[tuple[str, bool]]:
    """Each alert that is expected somewhere, and whether it is to fire there."""
    groups = [group for path in TESTS for group in yaml.safe_load(path.read_text())["tests"]]
    return {
        (one["alertname"], bool(one["exp_alerts"]))
        for group in groups
        for one in group.get("alert_rule_test", ())
    }


def test_every_metric_of_the_rules_is_exported(
    settings: Settings, champion: str, engine: Engine
) -> None:
    exported = shown(settings).keys() | OTHERS
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        families = {re.sub("_(bucket|count)$", "", m) for m in re.findall(METRIC, rule["expr"])}
        used = set(re.findall(r"perennial:[\w:]+", rule["expr"]))
        assert families or used or rule["expr"].startswith("vector("), rule
        assert families <= exported, rule
        assert used <= recorded, rule


def test_no_rule_is_named_twice() -> None:
    named = [rule.get("alert") or rule["record"] for rule in rules()]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_is_tested_firing_and_quiet(alert: str) -> None:
    assert {(alert, True), (alert, False)} <= expectations()


def test_operations_say_what_to_do_at_every_alert() -> None:
    section = OPERATIONS.read_text().split("\n## When an alert fires\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z]\w+)` \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert [name for name, _, _ in rows] == alerts()
    assert all(when.strip() and act.strip() for _, when, act in rows)


@pytest.mark.slow
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_where_their_trouble_is(path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    run = subprocess.run(
        [promtool, "test", "rules", path.name], cwd=RULES.parent,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr

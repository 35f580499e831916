"""Every expression of dashboards and recording rules, on a real Prometheus that scrapes us."""

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.monitoring.conftest import february, january, params, schema, trained, year
from tests.observability.life import living
from tests.observability.prometheus import Prometheus, is_installed, scraping
from tests.observability.test_dashboards import PANELS
from tests.service.test_rules import rules

__all__ = ["february", "january", "params", "schema", "trained", "year"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="Prometheus is not installed (apt-get)"),
]
# The service looks into the database every half minute, and rates need two scrapes.
PATIENCE_SECONDS = 120
ASKED = {
    f"{uid}: {panel['title']}, {target['refId']}": target["expr"]
    for uid, panel in PANELS
    for target in panel["targets"]
    if "probe_" not in target["expr"]  # test_certificate.py has a Caddy for these
}
RECORDED = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def as_asked(expression: str) -> str:
    """As Grafana sends it for a range of an hour."""
    chosen = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "1h"}
    for name, value in chosen.items():
        expression = expression.replace(name, value)
    assert not re.search(r"\$\w|\[\[", expression), expression
    return expression


@pytest.fixture(scope="module")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory, trained: Path, february: pd.DataFrame
) -> Iterator[Prometheus]:
    directory = tmp_path_factory.mktemp("observed")
    with living(directory, trained, february) as life:
        job = {"static_configs": [{"targets": [life.address]}],
               "authorization": {"credentials_file": str(life.key_file)}}  # fmt: skip
        with scraping(directory / "prometheus", {"perennial": job}) as found:
            yield found


def values(prometheus: Prometheus, expression: str) -> list[float]:
    return [float(one["value"][1]) for one in prometheus.ask(expression)]


def test_every_panel_and_every_recorded_series_has_data(prometheus: Prometheus) -> None:
    wanted = {name: as_asked(text) for name, text in ASKED.items()}
    wanted |= RECORDED | {f"{name}, recorded": name for name in RECORDED}
    end = time.monotonic() + PATIENCE_SECONDS
    empty = dict(wanted)
    while empty and time.monotonic() < end:
        empty = {name: text for name, text in empty.items() if not values(prometheus, text)}
        time.sleep(1)
    assert empty == {}
    found = {name: values(prometheus, text) for name, text in wanted.items()}
    nothing = [name for name, numbers in found.items() if any(map(math.isnan, numbers))]
    assert nothing == []


def test_figures_are_what_has_happened(prometheus: Prometheus) -> None:
    assert values(prometheus, 'perennial_retrains{state="failed"}') == [1]
    assert values(prometheus, "perennial:failed_requests:ratio_rate5m") == [0]
    assert 0 <= values(prometheus, "perennial:slow_predictions:ratio_rate5m")[0] <= 1
    assert values(prometheus, "max(perennial_check_rows)")[0] > 500
    assert values(prometheus, "max(perennial_check_drift_share)")[0] >= 0
    assert values(prometheus, "sum(perennial_quality_rows)")[0] > 500


def test_no_rule_and_no_scrape_has_a_problem(prometheus: Prometheus) -> None:
    assert prometheus.problems() == []


def test_what_has_happened_fires_and_what_has_not_does_not(prometheus: Prometheus) -> None:
    firing = {one["metric"]["alertname"]
              for one in prometheus.ask('ALERTS{alertstate="firing"}')}  # fmt: skip
    assert {"RetrainFailed", "RolledBack"} <= firing
    quiet = {"ServiceDown", "SchedulerStopped", "CheckMissing", "DatabaseAway", "OutcomesStopped",
             "ErrorBudgetBurnsFast", "PredictionsNotLogged", "SpoolDiskFull"}  # fmt: skip
    assert not quiet & firing

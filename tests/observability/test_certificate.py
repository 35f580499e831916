"""When the certificate ends, as Prometheus is told of it: by a real Caddy and a real exporter."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local import free_port
from tests.observability.prometheus import ROOT, Prometheus, is_installed, scraping
from tests.observability.test_dashboards import PANELS

BLACKBOX = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
CADDY = ROOT / ".venv-delivery" / "bin" / "caddy"
HOURS = 3600

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="Prometheus is not installed (apt-get)"),
    pytest.mark.skipif(BLACKBOX is None, reason="prometheus-blackbox-exporter is not installed"),
    pytest.mark.skipif(not CADDY.exists(), reason="no Caddy; `make setup-delivery`"),
]
EXPRESSIONS = [target["expr"] for _, panel in PANELS for target in panel["targets"]]
ASKED = [expression for expression in EXPRESSIONS if "probe_" in expression]


@contextmanager
def process(log: Path, *command: object, **variables: str) -> Iterator[None]:
    with log.open("wb") as output:
        found = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output,
                                 env={**os.environ, **variables})  # fmt: skip
    try:
        yield
    finally:
        found.terminate()
        found.wait(30)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """With the job `certificate` as shipped, on Caddy's shipped configuration on another port."""
    work = tmp_path_factory.mktemp("certificate")
    caddy, blackbox = free_port(), free_port()
    shutil.copytree(ROOT / "deploy" / "caddy", work / "caddy")
    site = work / "caddy" / "Caddyfile"
    elsewhere = (
        f"admin off\n\thttps_port {caddy}\n\tskip_install_trust\n\tauto_https disable_redirects"
    )
    assert "admin 127.0.0.1:2019" in site.read_text()
    site.write_text(site.read_text().replace("admin 127.0.0.1:2019", elsewhere))
    job = {
        "scrape_interval": "1s",
        "static_configs": [{"targets": [f"127.0.0.1:{caddy}"]}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"target_label": "__address__", "replacement": f"127.0.0.1:{blackbox}"},
        ],
    }
    with (
        process(work / "caddy.log", CADDY, "run", "--config", site, "--adapter", "caddyfile",
                XDG_DATA_HOME=str(work / "data"), XDG_CONFIG_HOME=str(work / "config")),
        process(work / "blackbox.log", BLACKBOX,
                f"--config.file={ROOT / 'deploy' / 'blackbox' / 'blackbox.yml'}",
                f"--web.listen-address=127.0.0.1:{blackbox}"),
        scraping(work / "prometheus", {"certificate": job}) as found,
    ):  # fmt: skip
        end = time.monotonic() + 60
        while not any(one["value"][1] == "1" for one in found.ask("probe_success")):
            assert time.monotonic() < end, (work / "caddy.log").read_text()[-2000:]
            time.sleep(0.5)
        yield found


def test_every_panel_of_the_certificate_has_data(prometheus: Prometheus) -> None:
    assert ASKED
    assert all(prometheus.ask(expression) for expression in ASKED)


def test_the_certificate_of_caddys_own_authority_lives_for_hours(prometheus: Prometheus) -> None:
    (left,) = prometheus.ask("probe_ssl_earliest_cert_expiry - time()")
    assert 4 * HOURS < float(left["value"][1]) <= 12 * HOURS


def test_a_fresh_one_is_no_alarm(prometheus: Prometheus) -> None:
    alarms = prometheus.ask('ALERTS{alertname=~"Certificate.*|HttpsFails", alertstate="firing"}')
    assert alarms == []

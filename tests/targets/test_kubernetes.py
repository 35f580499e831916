"""The overlays render to what a strict cluster takes and what the image expects."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.targets.manifests import OVERLAYS, ROOT, containers, of_kind, overlay, pods

VALIDATE = ROOT / ".venv-delivery" / "bin" / "kubernetes-validate"
SCHEMA = ROOT / "deploy" / "kubernetes" / "schemas" / "servicemonitor.json"


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_is_valid_to_the_last_field(name: str, tmp_path: Path) -> None:
    if not VALIDATE.exists():
        pytest.skip("SKIPPED, NOT CHECKED: no kubernetes-validate; `make setup-delivery`")
    core = [each for each in overlay(name) if each["kind"] != "ServiceMonitor"]
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(yaml.safe_dump_all(core))
    command = [str(VALIDATE), "--strict", str(manifest)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr
    assert (found.stdout + found.stderr).count("passed for resource") == len(core)


@pytest.mark.parametrize("name", OVERLAYS)
def test_service_monitor_fits_its_schema_and_the_service(name: str) -> None:
    (monitor,) = of_kind(overlay(name), "ServiceMonitor")
    jsonschema.validate(monitor, json.loads(SCHEMA.read_text()))
    (service,) = of_kind(overlay(name), "Service")

    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_a_misspelt_field_of_a_service_monitor_is_seen() -> None:
    (monitor,) = of_kind(overlay("production"), "ServiceMonitor")
    wrong = json.loads(json.dumps(monitor).replace("scrapeTimeout", "scrapeTimout"))

    with pytest.raises(jsonschema.ValidationError, match="scrapeTimout"):
        jsonschema.validate(wrong, json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_is_guarded(name: str) -> None:
    found = dict(pods(overlay(name)))

    assert {"perennial-service", "perennial-migrate"} < set(found)
    for pod in found.values():
        assert pod["automountServiceAccountToken"] is False
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]) == {"requests", "limits"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_no_request_is_lost_to_a_rollout(name: str) -> None:
    deployments = {e["metadata"]["name"]: e for e in of_kind(overlay(name), "Deployment")}
    spec = deployments["perennial-service"]["spec"]

    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "replicas" not in spec  # the autoscaler's
    pod = spec["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 10 + 30  # the pause, and slow readers


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_spool_is_a_disk_that_outlives_the_pod(name: str) -> None:
    pod = dict(pods(overlay(name)))["perennial-service"]
    mounts = {each["mountPath"]: each["name"] for each in pod["containers"][0]["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    claim = volumes[mounts["/var/lib/perennial/spool"]]["persistentVolumeClaim"]["claimName"]
    claims = {e["metadata"]["name"]: e for e in of_kind(overlay(name), "PersistentVolumeClaim")}

    assert claims[claim]["spec"]["accessModes"] == ["ReadWriteMany"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_is_not_listed_may_not_talk(name: str) -> None:
    policies = {e["metadata"]["name"]: e["spec"] for e in of_kind(overlay(name), "NetworkPolicy")}

    assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    database = policies["names-and-database"]["egress"][1]
    assert database["ports"] == [{"protocol": "TCP", "port": 5432}]
    assert not database["to"][0]["ipBlock"]["cidr"].startswith("192.0.2.")  # the base's nobody
    assert [each["from"] for each in policies["who-may-ask-the-service"]["ingress"]]


@pytest.mark.parametrize("name", OVERLAYS)
def test_secrets_are_named_and_never_there(name: str) -> None:
    assert not of_kind(overlay(name), "Secret")
    for container in containers(overlay(name)):
        for each in container.get("env", []):
            assert not _secret_like(each), each


def _secret_like(variable: dict[str, Any]) -> bool:
    return "value" in variable and any(
        part in variable["name"] for part in ("PASSWORD", "TOKEN", "SECRET", "DATABASE_URL", "KEY")
    )


@pytest.mark.parametrize("name", OVERLAYS)
def test_volumes_and_mounts_agree(name: str) -> None:
    for pod_name, pod in pods(overlay(name)):
        volumes = {each["name"] for each in pod["volumes"]}
        mounted = {m["name"] for c in pod["containers"] for m in c["volumeMounts"]}
        assert volumes == mounted, pod_name

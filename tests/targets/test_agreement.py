"""Every target starts the same processes, by settings, ports and paths that the product has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.settings import Settings
from service.routes.health import router
from tests.targets.manifests import OVERLAYS, ROOT, Document, containers, file, overlay

FOLDERS = ("kubernetes", "terraform", "cloudrun", "azure")
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for folder in FOLDERS
    for path in sorted((ROOT / "deploy" / folder).rglob("*"))
    if path.suffix in (".yaml", ".tf")
}
MANIFESTS = [name for name in FILES if name.startswith(("deploy/cloudrun", "deploy/azure"))]
NAMES = {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", FILES)
def test_every_setting_of_a_target_is_one_of_the_product(name: str) -> None:
    text = FILES[name].read_text()
    named = set(re.findall(r"PERENNIAL_([A-Z_]+)", text))
    files = set(re.findall(r"path: perennial_([a-z_]+)", text))  # secrets as files

    assert named | {each.upper() for each in files} <= NAMES


def _all_containers() -> Iterator[tuple[str, Document]]:
    for name in OVERLAYS:
        for each in containers(overlay(name)):
            yield name, each
    for name in MANIFESTS:
        for each in containers(file(name)):
            yield name, each


def test_there_are_containers_to_look_at() -> None:
    assert len(list(_all_containers())) == 3 * len(OVERLAYS) + 6


def test_images_are_by_digest_everywhere() -> None:
    for where, container in _all_containers():
        assert re.fullmatch(r"perennial/\w+@sha256:[0-9a-f]{64}", container["image"]), where


def test_probes_ask_what_the_service_answers_where_it_listens() -> None:
    paths = {route.path for route in router.routes}  # type: ignore[attr-defined]
    asked = set()
    for where, container in _all_containers():
        listed = [each for each in container.get("probes", []) if "httpGet" in each]
        named = [each for key, each in container.items() if key.endswith("Probe")]
        ports = {each.get("name"): each["containerPort"] for each in container.get("ports", [])}
        for probe in (*listed, *named):
            assert probe["httpGet"]["path"] in paths, where
            port = probe["httpGet"]["port"]
            assert ports.get(port, port) == Settings.model_fields["port"].default, where
            asked.add(probe["httpGet"]["path"])

    assert asked == {"/health/live", "/health/ready"}


def test_commands_are_modules_of_the_product() -> None:
    for where, container in _all_containers():
        if "command" not in container:
            continue
        python, dash_m, module = container["command"][:3]
        assert (python, dash_m) == ("python", "-m"), where
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), where


def test_volumes_are_where_the_image_looks_for_them() -> None:
    image = (ROOT / "Dockerfile").read_text()
    known = set(re.findall(r"PERENNIAL_\w+_DIR=(/var/lib/perennial/\w+)", image))
    for where, container in _all_containers():
        mounted = {m["mountPath"] for m in container.get("volumeMounts", [])}
        assert {m for m in mounted if m.startswith("/var/lib/perennial")} <= known, where


def test_no_target_has_a_secret_in_it() -> None:
    for name, path in FILES.items():
        text = path.read_text()
        assert not re.search(r"://\w+:[^@{}\s\"$,]+@", text), name  # an address with a password
        assert not re.search(r"AKIA[0-9A-Z]{16}|perennial_[A-Za-z0-9_-]{43}", text), name


def test_where_no_disk_lasts_the_spool_takes_nothing() -> None:
    (service,) = containers(file("deploy/cloudrun/service.yaml"))
    values = {each["name"]: each.get("value") for each in service["env"]}

    assert values["PERENNIAL_SPOOL_MAX_BYTES"] == "1"
    mounted = {each["mountPath"] for each in service["volumeMounts"]}
    assert values["PERENNIAL_SPOOL_DIR"] not in mounted


def test_azure_locks_need_nfs() -> None:
    for name in MANIFESTS:
        if "azure" in name:
            volumes = file(name)["properties"]["template"]["volumes"]
            assert {each["storageType"] for each in volumes} <= {"NfsAzureFile", "Secret"}, name


@pytest.mark.parametrize("target", ["kubernetes", "aws", "cloud-run", "azure"])
def test_every_target_has_a_page_with_its_price_and_its_end(target: str) -> None:
    page = Path(ROOT / "docs" / "deploy" / f"{target}.md").read_text()

    for section in ("## What it costs", "## Take it down", "## What holds of no prediction lost"):
        assert section in page
    assert f"]({target}.md)" in (ROOT / "docs" / "deploy" / "README.md").read_text()

"""The targets' files as tests look at them: rendered, parsed, their containers found."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
OVERLAYS = ("staging", "production", "checks-only")
NO_KUBECTL = "SKIPPED, NOT CHECKED: the overlays cannot be rendered without kubectl"
Document = dict[str, Any]


@cache
def overlay(name: str) -> list[Document]:
    """What `kubectl kustomize` makes of an overlay."""
    if shutil.which("kubectl") is None:
        pytest.skip(NO_KUBECTL)
    command = ["kubectl", "kustomize", f"deploy/kubernetes/overlays/{name}"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return list(yaml.safe_load_all(found.stdout))


def file(path: str) -> Document:
    return dict(yaml.safe_load((ROOT / path).read_text()))


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    return [each for each in documents if each["kind"] == kind]


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Name and pod specification of whatever starts pods."""
    for each in documents:
        if each["kind"] in ("Deployment", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
        if each["kind"] == "CronJob":
            template = each["spec"]["jobTemplate"]["spec"]["template"]
            yield each["metadata"]["name"], template["spec"]


def containers(found: Any) -> Iterator[Document]:
    """Every container anywhere in a document."""
    if isinstance(found, list):
        for each in found:
            yield from containers(each)
    elif isinstance(found, dict):
        yield from found.get("containers", [])
        for each in found.values():
            yield from containers(each)

"""Bills of materials of the locks: valid CycloneDX that names what is locked, and nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.sbom import BIN, packages

VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())
sys.exit(problem and str(problem))
"""


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (BIN / "cyclonedx-py").exists():
        pytest.skip("BILLS NOT MADE: make setup-audit installs cyclonedx-py")
    out = tmp_path_factory.mktemp("sbom")
    command = [sys.executable, "-m", "deploy.sbom", "--locks", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
@pytest.mark.parametrize("process", ["service", "monitoring", "trainer"])
def test_a_bill_is_valid_cyclonedx(bills: Path, process: str) -> None:
    command = [BIN / "python", "-c", VALIDATE, bills / f"{process}.cdx.json"]
    found = subprocess.run(command, capture_output=True, text=True)

    assert found.returncode == 0, found.stderr


@pytest.mark.slow
def test_the_services_bill_names_its_lock_and_no_tool_of_training(bills: Path) -> None:
    found = packages(bills / "service.cdx.json")
    lock = Path("requirements/serve.txt").read_text()

    assert found == set(re.findall(r"^([a-z0-9-]+)==([^ ]+)", lock, re.MULTILINE))
    assert not {name for name, _ in found} & {"dvc", "evidently", "pandas", "scikit-learn"}


@pytest.mark.slow
def test_a_bill_of_hashed_locks_holds_the_hashes(bills: Path) -> None:
    components = json.loads((bills / "service.cdx.json").read_text())["components"]

    assert all(each["externalReferences"][0]["hashes"] for each in components)


def test_an_engine_that_is_missing_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.sbom", "--process=service", "--out", str(tmp_path)]
    environment = {"PATH": str(tmp_path)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert found.returncode == 1
    assert "sbom failed" in found.stderr
    assert list(tmp_path.iterdir()) == []

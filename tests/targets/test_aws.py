"""deploy/terraform/aws: its own tests, and applied for real against moto's server on loopback."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.storage import credentials, install_moto, storage_server
from tests.targets.manifests import ROOT
from tests.targets.terraform import DIGESTS, VARIABLES, Terraform

pytestmark = pytest.mark.slow
MINUTES = 60


def test_what_is_promised_holds_in_a_plan(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path / "aws", override=False)

    terraform.run("fmt", "-check", "-recursive", {}, seconds=60)
    terraform.run("validate", {}, seconds=300)
    said = terraform.run("test", {}, seconds=10 * MINUTES)
    assert "Success! 7 passed, 0 failed" in said


@dataclass(frozen=True)
class Account:
    """An account of moto's.

    Attributes:
        variables: credentials, address, Terraform's variables.
    """

    python: Path
    variables: dict[str, str]

    def ask(self, what: str) -> Any:
        command = [str(self.python), str(ROOT / "tests/targets/look_at_aws.py"), what]
        found = subprocess.run(
            command, env=self.variables, capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stderr[-3000:]
        return json.loads(found.stdout)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    directory = tmp_path_factory.mktemp("moto")
    command = install_moto(directory / "venv")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")  # the server inherits it
        with storage_server(command, directory / "log") as address:
            variables = credentials() | {"AWS_ENDPOINT_URL": address}
            found = Account(command.parent / "python", variables)
            given = VARIABLES | {"certificate_arn": found.ask("certificate")}
            terraform = {f"TF_VAR_{name}": value for name, value in given.items()}
            yield Account(found.python, variables | terraform)


@pytest.fixture(scope="module")
def applied(
    account: Account, tmp_path_factory: pytest.TempPathFactory
) -> "tuple[Terraform, dict[str, Any]]":
    terraform = Terraform(tmp_path_factory.mktemp("terraform") / "aws", override=True)
    how = ["-auto-approve", "-parallelism=20"]
    terraform.run("apply", *how, account.variables, seconds=8 * MINUTES)
    return terraform, account.ask("look")


Applied = tuple[Terraform, dict[str, Any]]


def test_buckets_are_closed_and_keep_versions(applied: Applied) -> None:
    found = applied[1]

    assert found["buckets"] == ["perennial-dvc-123456789012", "perennial-logs-123456789012"]
    assert all(all(each.values()) for each in found["public"])
    assert found["versioning"] == ["Enabled", "Enabled"]


def test_services_run_the_images_that_were_named(applied: Applied) -> None:
    found = applied[1]
    services = {each["serviceName"]: each for each in found["services"]}

    assert services["service"]["desiredCount"] == 2
    assert found["images"] == {
        "perennial-service:1": DIGESTS["service"],
        "perennial-migrate:1": DIGESTS["service"],
        "perennial-monitoring:1": DIGESTS["monitoring"],
    }


def test_database_is_private_and_its_address_is_a_secret(applied: Applied) -> None:
    found = applied[1]

    assert found["databases"] == [
        {"PubliclyAccessible": False, "StorageEncrypted": True, "Engine": "postgres"}
    ]
    password = VARIABLES["database_password"]
    assert found["database_url"].startswith(f"postgresql+psycopg://perennial:{password}@")
    state = (applied[0].directory / "terraform.tfstate").read_text()
    assert password not in state


def test_each_process_and_workflow_has_a_role_of_its_own(applied: Applied) -> None:
    roles = set(applied[1]["roles"])

    processes = ("service", "monitoring", "migrate")
    assert {f"perennial-{p}-{kind}" for p in processes for kind in ("task", "execution")} < roles
    assert {"perennial-github-deploy", "perennial-github-train"} < roles


def test_everything_goes_again(applied: Applied, account: Account) -> None:
    applied[0].run("destroy", "-auto-approve", account.variables, seconds=8 * MINUTES)

    assert not any(account.ask("gone").values())

"""Secrets are made once, each of its own, and only their owner's directory shows them."""

import stat
from pathlib import Path

from sqlalchemy import make_url

from deploy.secrets import make_secrets
from service.access.key_store import FORM


def test_what_is_missing_is_made_and_what_exists_stays(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    first = make_secrets(directory)
    values = {name: (directory / name).read_text() for name in first}
    (directory / "metrics_key").unlink()

    assert make_secrets(directory) == ["metrics_key"]
    again = {name: (directory / name).read_text() for name in first}
    assert again.pop("metrics_key") != values.pop("metrics_key")
    assert again == values


def test_only_the_owner_may_enter(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")

    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_they_fit_what_reads_them(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    make_secrets(directory)
    url = make_url((directory / "perennial_database_url").read_text())

    assert url.password == (directory / "postgres_password").read_text()
    assert FORM.fullmatch((directory / "admin_key").read_text())

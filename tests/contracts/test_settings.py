"""Settings come from the environment, and from files where container engines put secrets."""

from pathlib import Path

import pytest

from contracts.settings import Settings


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # no .env
    monkeypatch.delenv("PERENNIAL_DATABASE_URL", raising=False)
    monkeypatch.setenv("PERENNIAL_SECRETS_DIR", str(tmp_path / "secrets"))
    (tmp_path / "secrets").mkdir()
    return tmp_path / "secrets"


def test_a_file_gives_the_setting_of_its_name(secrets: Path) -> None:
    (secrets / "perennial_database_url").write_text("postgresql+psycopg://a:b@c/d\n")

    assert Settings().database_url == "postgresql+psycopg://a:b@c/d"


def test_the_environment_counts_before_files(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "perennial_port").write_text("1")
    monkeypatch.setenv("PERENNIAL_PORT", "2")

    assert Settings().port == 2


def test_passwords_are_not_shown(secrets: Path) -> None:
    (secrets / "perennial_database_url").write_text("postgresql+psycopg://a:hidden@c/d")

    assert "hidden" not in repr(Settings())

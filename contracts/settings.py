"""What every process reads from the environment: where things are, and secrets."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from PERENNIAL_* variables and .env; relative paths start where the process is run."""

    model_config = SettingsConfigDict(
        env_prefix="PERENNIAL_", env_file=".env", extra="ignore", frozen=True
    )

    database_url: str = Field(
        "sqlite:///var/perennial.db",
        description="SQLAlchemy URL; production: postgresql+psycopg://user:password@host/name",
    )
    bundles_dir: Path = Field(Path("var/bundles"), description="where registered bundles live")
    reports_dir: Path = Field(Path("var/reports"), description="where checks write their pages")
    work_dir: Path = Field(Path("var/retrains"), description="working copies and logs of retrains")
    project_dir: Path = Field(Path(), description="the git repository that retrains clone")
    params_file: Path = Field(Path("params.yaml"), description="monitoring's thresholds and policy")
    host: str = Field("127.0.0.1", description="address that the service listens on")
    port: int = Field(8000, ge=0, le=65535, description="port of the service; 0 = any free one")
    admin_token: SecretStr | None = Field(
        None, description="bearer token for promote and rollback over HTTP; unset = both refused"
    )
    champion_poll_seconds: float = Field(
        0.5, gt=0, description="how often the service asks who is champion"
    )
    max_body_bytes: int = Field(10_000_000, gt=0, description="larger request bodies get 413")
    max_rows: int = Field(10_000, gt=0, description="more rows in one request get 422")

"""What every process reads from the environment: where things are and how they are guarded."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from contracts.platforms import platform_settings

SECRETS_DIR = "/run/secrets"  # where container engines put them


class Settings(BaseSettings):
    """Read from PERENNIAL_* variables and .env; relative paths start where the process is run.

    A file perennial_* in SECRETS_DIR, or in the directory that PERENNIAL_SECRETS_DIR names, gives
    the setting of that name, so that passwords need not be in the environment.
    What a hosting platform prescribes (contracts/platforms.py) counts where these are silent.
    """

    model_config = SettingsConfigDict(
        env_prefix="PERENNIAL_", env_file=".env", extra="ignore", frozen=True
    )

    database_url: str = Field(
        "sqlite:///var/perennial.db",
        repr=False,  # it may hold a password
        description="SQLAlchemy URL; production: postgresql+psycopg://user:password@host/name",
    )
    bundles_dir: Path = Field(Path("var/bundles"), description="where registered bundles live")
    reports_dir: Path = Field(Path("var/reports"), description="where checks write their pages")
    work_dir: Path = Field(Path("var/retrains"), description="working copies and logs of retrains")
    project_dir: Path = Field(Path(), description="the git repository that retrains clone")
    params_file: Path = Field(Path("params.yaml"), description="monitoring's thresholds and policy")
    alert_urls: str = Field(
        "",
        repr=False,  # they hold passwords
        description="where alarms are told: Apprise's addresses, with spaces between them",
    )
    github_repository: str = Field(
        "", description="owner/name whose workflow trains, where params say mode: github"
    )
    github_token: str = Field(
        "",
        repr=False,
        description="its fine-grained token: Contents and Actions, both read and write",
    )
    github_token_file: str = Field("", description="a file that holds the token instead")
    github_api: str = Field("https://api.github.com", description="GitHub's API")
    host: str = Field("127.0.0.1", description="address that the service listens on")
    port: int = Field(8000, ge=0, le=65535, description="port of the service; 0 = any free one")
    champion_poll_seconds: float = Field(
        0.25, gt=0, description="how often the service asks who is champion"
    )
    max_body_bytes: int = Field(10_000_000, gt=0, description="larger request bodies get 413")
    max_rows: int = Field(10_000, gt=0, description="more rows in one request get 422")
    workers: int = Field(1, ge=1, description="service processes; several need PostgreSQL")
    platform: Literal["", "vertex", "sagemaker"] = Field(
        "", description="where the container runs; found out from the platform's own variables"
    )
    access: Literal["closed", "open", "platform"] = Field(
        "closed",
        description="closed = every request needs a key; open = only admin acts do, on loopback; "
        "platform = predictions need none, for Vertex AI or SageMaker checks its callers",
    )
    model_name: str = Field(
        "perennial", min_length=1, description="the model's name in /v2/models/{name}"
    )
    predict_route: str = Field(
        "", pattern="^(/.*)?$", description="also answered as /vertex/predict; AIP_PREDICT_ROUTE"
    )
    health_route: str = Field(
        "", pattern="^(/.*)?$", description="also answered as /ping; AIP_HEALTH_ROUTE"
    )
    allowed_hosts: str = Field(
        "", description="names in Host that are answered, by comma; empty = loopback's, or any"
    )
    cors_origins: str = Field("", description="browser origins that may call, by comma")
    limits_url: str = Field(
        "memory://", description="where limits are counted: memory://, database:// or redis://host"
    )
    oidc_issuer: str = Field("", description="identity provider whose bearer tokens count too")
    oidc_audience: str = Field("", description="what their aud claim must hold")
    oidc_jwks_url: str = Field("", description="its keys; empty = as its discovery document says")
    durability: Literal["full", "fast"] = Field(
        "full", description="fast = SQLite syncs at checkpoints only: a power cut may lose rows"
    )
    spool_dir: Path = Field(
        Path("var/spool"), description="what the database could not take waits here"
    )
    spool_max_bytes: int = Field(1_000_000_000, gt=0, description="disk budget of the spool")
    commit_patience_seconds: float = Field(
        0.25, gt=0, description="a commit that takes longer goes to the spool"
    )
    body_seconds: float = Field(10.0, gt=0, description="slower request bodies get 408")
    metrics_dir: Path = Field(
        Path("var/metrics"), description="counters of several workers meet here"
    )
    vitals_seconds: float = Field(
        60.0, gt=0, description="how often each version's requests and errors go to the database"
    )
    access_log: bool = Field(True, description="one JSON line a request on stderr")

    @field_validator("access")
    @classmethod
    def _trust_only_a_platform(cls, access: str, info: ValidationInfo) -> str:
        if access == "platform" and not info.data.get("platform"):
            raise ValueError("platform is for Vertex AI and SageMaker, and neither runs this")
        return access

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        platform = InitSettingsSource(settings_cls, platform_settings(os.environ))
        return init_settings, env_settings, dotenv_settings, *_secrets(settings_cls), platform


def _secrets(settings_cls: type[BaseSettings]) -> list[PydanticBaseSettingsSource]:
    """Files of settings; most machines have none."""
    directory = Path(os.environ.get("PERENNIAL_SECRETS_DIR", SECRETS_DIR))
    return [SecretsSettingsSource(settings_cls, directory)] if directory.is_dir() else []

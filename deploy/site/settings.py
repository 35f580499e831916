"""The page of settings, from contracts/settings.py."""

from pydantic_settings import BaseSettings

from deploy.site.fields import default_of, type_of
from deploy.site.markdown import UndocumentedError, code, plain, table

HEAD = """# Settings

What every process reads from the environment, or from `.env` in the directory where it starts:
where things are and how they are guarded. A file `perennial_NAME` in `/run/secrets`, or in the
directory that `PERENNIAL_SECRETS_DIR` names, gives a setting too. What changes a model or a
decision is in [params.yaml](params.md).

"""


def settings_page(settings: type[BaseSettings]) -> str:
    """Every setting with its meaning.

    Raises:
        UndocumentedError: a setting has no description.
    """
    prefix = settings.model_config["env_prefix"]
    rows = []
    for name, field in settings.model_fields.items():
        if not field.description:
            raise UndocumentedError(f"setting {name} has no description")
        variable = f"{prefix}{name}".upper()
        told = f"{plain(field.description)} ({type_of(field)})"
        rows.append([code(variable), code(default_of(field)), told])
    return HEAD + table(["setting", "default", "meaning"], rows)

"""Prints the pages of the site that are made from the code as JSON, for deploy/site/hook.py."""

import argparse
import json
import sys
from pathlib import Path

import yaml

from contracts.params import Params
from contracts.replay_params import Replay
from contracts.settings import Settings
from deploy.site.api import api_document, api_page
from deploy.site.commands import commands_page
from deploy.site.make_targets import make_page
from deploy.site.params import params_page
from deploy.site.settings import settings_page

ROOT = Path(__file__).parents[2]
WORDS = Path(__file__).parent / "words.yaml"


def pages() -> dict[str, str]:
    """Each page by its place in the site."""
    document = api_document()
    shipped = (ROOT / "params.yaml").read_text()
    words = yaml.safe_load(WORDS.read_text())
    return {
        "reference/api.md": api_page(document),
        "reference/openapi.json": json.dumps(document, indent=2),
        "reference/params.md": params_page(Params, Replay, shipped, words, ROOT),
        "reference/settings.md": settings_page(Settings),
        "reference/make.md": make_page((ROOT / "Makefile").read_text()),
        "reference/commands.md": commands_page(ROOT),
    }


def main() -> None:
    argparse.ArgumentParser(prog="python -m deploy.site", description=__doc__).parse_args()
    sys.stdout.write(json.dumps(pages()))


if __name__ == "__main__":
    main()

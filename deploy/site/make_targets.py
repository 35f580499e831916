"""The page of make targets, from the Makefile's own help."""

import re

from deploy.site.markdown import plain, table

_TARGET = re.compile(r"^([a-z][a-z-]*):.*?## (.+)$", re.MULTILINE)


def make_page(makefile: str) -> str:
    """Every target with its explanation."""
    rows = [[f"`make {name}`", plain(told)] for name, told in _TARGET.findall(makefile)]
    return (
        "# make\n\nTargets, from the project's root. Words in capitals are variables: `make replay "
        + ("UNTIL=2014-01-01`.\n\n")
        + table(["target", "what it does"], rows)
    )

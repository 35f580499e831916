"""What is kept of others' scripts is what they published."""

import re
from hashlib import sha256
from pathlib import Path

from service.templates import ASSETS

STATED = Path("docs/supply-chain.md")


def test_htmx_is_the_release_that_is_stated() -> None:
    script = (ASSETS / "htmx.js").read_bytes()
    stated = re.search(r"htmx (\S+), 0BSD.*?`([0-9a-f]{64})`", STATED.read_text())

    assert stated is not None
    assert sha256(script).hexdigest() == stated[2]
    assert f'version:"{stated[1]}"'.encode() in script


def test_scripts_are_ours_or_stated() -> None:
    assert sorted(file.name for file in ASSETS.glob("*.js")) == ["htmx.js", "perennial.js"]

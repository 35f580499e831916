"""Images of releases, made from the service's own: one that is good, and some that are not."""

import json
from pathlib import Path

from contracts.bundle import Bundle, load_bundle, save_bundle
from tests.stack.stand_ins import docker

MODULE = "service/answer/predictor.py"
# Ends after so many calls of the model, as a leak or a bad row may make a process end.
ENDS_AFTER = """
import os
_calls, _whole = [0], Predictor.answers
def _counted(self, *given):
    _calls[0] += 1
    if _calls[0] > {calls}:
        os._exit(1)
    return _whole(self, *given)
Predictor.answers = _counted
"""
SLOW = """
import time
_whole = Predictor.answers
def _late(self, *given):
    time.sleep(1)
    return _whole(self, *given)
Predictor.answers = _late
"""


def release(tag: str, base: str, work: Path, *, appended: str = "", lines: str = "") -> str:
    """Build an image from another; `appended` goes to the end of MODULE, `lines` to the file."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "appended").write_text(appended)
    (work / "Dockerfile").write_text(
        f"FROM {base}\nUSER root\nCOPY appended /tmp/appended\n"
        f"RUN cat /tmp/appended >>/app/{MODULE}\n{lines}\nUSER 10001:10001\nLABEL release={tag}\n"
    )
    docker("build", "--quiet", "--tag", tag, str(work))
    return tag


def release_with_permuted_columns(tag: str, base: str, bundle: Path, work: Path) -> str:
    """Its bundle is whole, and its model gets each number in another one's place."""
    found = load_bundle(bundle)
    schema = json.loads(found.files["schema.json"])
    numbers = [one for one in schema["features"] if one["kind"] in ("numeric", "integer")]
    others = [one for one in schema["features"] if one not in numbers]
    schema["features"] = [*reversed(numbers), *others]
    return _with_file(tag, base, found, work, "schema.json", json.dumps(schema).encode())[0]


def release_with_another_version(tag: str, base: str, bundle: Path, work: Path) -> tuple[str, str]:
    """It answers as before by another version of the model: image, version."""
    return _with_file(tag, base, load_bundle(bundle), work, "model_card.md", b"# Again\n")


def _with_file(
    tag: str, base: str, found: Bundle, work: Path, name: str, text: bytes
) -> tuple[str, str]:
    facts = {k: v for k, v in found.manifest.items() if k not in ("format", "files", "sizes")}
    version = save_bundle(work / "bundle", {**found.files, name: text}, facts)
    lines = "RUN rm -r /app/build/bundle\nCOPY bundle /app/build/bundle"
    return release(tag, base, work, lines=lines), version

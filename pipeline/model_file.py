"""scikit-learn models as skops bytes: no pickle, and the same model gives the same bytes."""

import io
import json
import re
import zipfile
from typing import Any

import skops.io

_DATE = (1980, 1, 1, 0, 0, 0)


def dump_model(model: Any) -> bytes:
    """Serialise a fitted model.

    skops names members after memory addresses and random UUIDs and stamps the time; here they
    are renamed by order of appearance, so that equal models are equal bytes.
    """
    archive = zipfile.ZipFile(io.BytesIO(skops.io.dumps(model)))
    schema, names = _renumber(json.loads(archive.read("schema.json")))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr(zipfile.ZipInfo("schema.json", _DATE), json.dumps(schema))
        for old, new in names.items():
            target.writestr(zipfile.ZipInfo(new, _DATE), archive.read(old))
    return out.getvalue()


def _renumber(schema: Any) -> tuple[Any, dict[str, str]]:
    identities: dict[int, int] = {}
    files: dict[str, str] = {}

    def visit(node: Any) -> Any:
        if isinstance(node, list):
            return [visit(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {key: rename(key, value) for key, value in node.items()}

    def rename(key: str, value: Any) -> Any:
        if key == "__id__":
            return identities.setdefault(value, len(identities) + 1)
        if key == "file" and isinstance(value, str):
            return files.setdefault(value, f"{len(files) + 1}{_suffix(value)}")
        return visit(value)

    return visit(schema), files


def _suffix(name: str) -> str:
    match = re.search(r"\.[a-z]+$", name)
    return match.group() if match else ""

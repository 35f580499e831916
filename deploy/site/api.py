"""The page of the HTTP API, from the OpenAPI document of the app itself."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.settings import Settings
from deploy.site.markdown import UndocumentedError, plain, table
from deploy.site.shapes import keys, kind
from service.access.key_store import NewKey, create_key
from service.app import create_app

HEAD = """# HTTP API

Made from the app's own [OpenAPI document](openapi.json), as a service answers that has no champion
yet. A running one has your features, with kinds, ranges and examples, at `/docs`. Requests carry a
key as `X-API-Key: ...` or `Authorization: Bearer ...`; *scope* says what it must be good for
([access](../access.md)). Routes of Triton, KServe, MLflow, SageMaker and Vertex AI are explained in
[clients](../clients.md).

"""
COMMON = 10  # an answer that so many operations share is told once


def api_document() -> dict[str, Any]:
    """What GET /openapi.json answers, from an app on an empty database."""
    new = NewKey("site", ["read"])
    with tempfile.TemporaryDirectory() as name:
        settings = _settings(Path(name))
        engine = make_engine(settings.database_url, pooled=False)
        migrate(engine)
        key = create_key(engine, new, actor="deploy.site", now=datetime.now(UTC))
        app = create_app(settings, engine=engine)
        with TestClient(app, base_url="http://127.0.0.1") as client:
            answer = client.get("/openapi.json", headers={"X-API-Key": key})
        return dict(answer.raise_for_status().json())


def api_page(document: Mapping[str, Any]) -> str:
    """Every operation and every schema.

    Raises:
        UndocumentedError: an operation has no summary.
    """
    shared = _shared_answers(document)
    parts = [HEAD, "## Operations\n\n", *_operations(document, shared), "## Refusals of all\n\n"]
    refusals = dict(sorted(shared)) | {"403": "the key lacks the scope"}
    parts.append(
        table(["status", "meaning"], [[code, told] for code, told in sorted(refusals.items())])
    )
    parts.append("\n## Schemas\n")
    for name, schema in document["components"]["schemas"].items():
        told = plain(schema.get("description", ""))
        parts.append(f"\n### {name}\n\n{told}\n\n{keys(schema)}")
    return "".join(parts)


def _operations(document: Mapping[str, Any], shared: set[tuple[str, str]]) -> Iterator[str]:
    for path, operations in document["paths"].items():
        for method, told in operations.items():
            yield _operation(f"{method.upper()} {path}", told, shared)


def _operation(name: str, told: Mapping[str, Any], shared: set[tuple[str, str]]) -> str:
    if not told.get("summary"):
        raise UndocumentedError(f"{name} has no summary")
    scopes = {one for way in told.get("security", []) for each in way.values() for one in each}
    needs = f"Scope: `{'`, `'.join(sorted(scopes))}`." if scopes else "Open to all."
    about = f"{plain(told['summary'])}. {plain(told.get('description', ''))}"
    parts = [f"### {name}\n\n{about}\n\n{needs}\n\n"]
    if told.get("parameters"):
        rows = [_parameter(one) for one in told["parameters"]]
        parts.append(table(["parameter", "in", "kind", "default"], rows) + "\n")
    for media, body in told.get("requestBody", {}).get("content", {}).items():
        parts += _body(media, body["schema"])
    rows = [[code, plain(one["description"]), _answer(one)]
            for code, one in sorted(told["responses"].items())
            if (code, one["description"]) not in shared and code != "403"]  # fmt: skip
    return "".join([*parts, table(["status", "meaning", "body"], rows), "\n"])


def _parameter(told: Mapping[str, Any]) -> list[str]:
    schema = told["schema"]
    return [f"`{told['name']}`", told["in"], kind(schema), str(schema.get("default", ""))]


def _body(media: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """One table for each form of a body; a named schema has its own below."""
    forms = [form for form in schema.get("oneOf", [schema]) if form.get("properties")]
    if not forms:
        yield f"Body, `{media}`: {kind(schema)}.\n\n"
    for form in forms:
        title = f", {form['title']}" if "title" in form and len(forms) > 1 else ""
        yield f"Body, `{media}`{title}:\n\n{keys(form)}\n"


def _answer(response: Mapping[str, Any]) -> str:
    found = [kind(one["schema"]) if one.get("schema") else f"`{media}`"
             for media, one in response.get("content", {}).items()]  # fmt: skip
    return " or ".join(found)


def _shared_answers(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    counted = Counter(
        (code, one["description"])
        for operations in document["paths"].values()
        for told in operations.values()
        for code, one in told["responses"].items()
        if code >= "400"
    )
    return {answer for answer, times in counted.items() if times >= COMMON}


def _settings(home: Path) -> Settings:
    return Settings(
        _env_file=None, database_url=f"sqlite:///{home}/site.db", bundles_dir=home / "bundles",
        reports_dir=home / "reports", spool_dir=home / "spool", metrics_dir=home / "metrics",
        access="closed", access_log=False,
    )  # fmt: skip

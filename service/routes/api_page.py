"""GET /docs: the API's description as a page that needs no script and no other site."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from service.page import PageDep

router = APIRouter()


@dataclass(frozen=True)
class Operation:
    """What one method of one path does; `examples` are commands to paste."""

    method: str
    path: str
    summary: str
    description: str
    scopes: str
    examples: dict[str, str]
    responses: dict[str, str]


@router.get("/docs", include_in_schema=False)
def get_docs(request: Request, page: PageDep) -> Response:
    document = request.app.openapi()
    row = document["components"]["schemas"]["Row"]
    return page(
        "docs.html",
        version=document["info"]["version"],
        features=row.get("properties", {}),
        operations=list(list_operations(document)),
    )


def list_operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Every operation of an OpenAPI document, in its order."""
    for path, operations in document["paths"].items():
        for method, told in operations.items():
            yield Operation(
                method.upper(),
                path,
                told.get("summary", ""),
                told.get("description", ""),
                _scopes(told.get("security", [])),
                {name: _command(path, body) for name, body in _examples(told).items()},
                {code: one["description"] for code, one in sorted(told["responses"].items())},
            )


def _scopes(security: list[dict[str, list[str]]]) -> str:
    """The scope that a key must have; open = none."""
    needed = {scope for scheme in security for scopes in scheme.values() for scope in scopes}
    return ", ".join(sorted(needed)) if needed and {} not in security else "open"


def _examples(told: Mapping[str, Any]) -> dict[str, Any]:
    content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
    return {name: one["value"] for name, one in content.get("examples", {}).items()}


def _command(path: str, body: object) -> str:
    key = '-H "Authorization: Bearer $PERENNIAL_API_KEY"'
    return f"curl --json {shlex.quote(json.dumps(body))} {key} localhost:8000{path}"

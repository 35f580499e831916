"""The access that each operation needs, as the API describes it: by the rule that enforces it."""

from typing import Any

from service.access.access import required_scope
from service.access.caller import Scope
from service.api.refusals import response

_METHODS = {"get", "head", "post", "put", "patch", "delete", "options", "trace"}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer",
               "description": "an API key, or a token of the identity provider"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "an API key"},
    "basic": {"type": "http", "scheme": "basic",
              "description": "for browsers, to read only: any name, the key as password"},
}  # fmt: skip
_RETRY = {"Retry-After": {"description": "seconds", "schema": {"type": "string"}}}
_CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}}}


def describe_access(document: dict[str, Any], *, is_open: bool) -> None:
    """Add to every operation what it needs and how it is refused.

    Args:
        is_open: whether anybody may predict, send outcomes and read.
    """
    document["components"]["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        for method in _METHODS & operations.keys():
            needed = required_scope(method.upper(), path)
            _describe(operations[method], needed, is_open and needed != "admin")


def _describe(operation: dict[str, Any], needed: Scope | None, is_open: bool) -> None:
    responses = operation.setdefault("responses", {})
    if needed is None:
        operation["security"] = []
        return
    schemes = ["bearer", "key", *(["basic"] if needed == "read" else [])]
    anybody: list[dict[str, list[str]]] = [{}] if is_open else []
    operation["security"] = [*anybody, *({scheme: [needed]} for scheme in schemes)]
    responses["401"] = {**response("no valid key", "Problem"), "headers": _CHALLENGE}
    responses["403"] = response(f"the key lacks the scope {needed}", "Problem")
    too_many = "the key's rate or quota is spent"
    responses["429"] = {**response(too_many, "Problem"), "headers": _RETRY}

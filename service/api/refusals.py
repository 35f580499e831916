"""How the API's description tells refusals: the same for every operation, from one place."""

from typing import Any

from service.api.rows import Shape, an_object

# What the front answers to any request, and to any request with a body.
_ALWAYS = {
    "400": "the request cannot be read",
    "429": "a limit of the key is reached; Retry-After says when to come back",
    "503": "nothing could be answered durably; try again",
}
_WITH_BODY = {
    "408": "the body came too slowly",
    "413": "the body is too large",
    "415": "the body is not JSON",
}


def declare_refusals(document: dict[str, Any]) -> None:
    """Add to every operation what it may refuse; its own descriptions stay."""
    for operations in document["paths"].values():
        for operation in operations.values():
            _declare(operation)


def _declare(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    told = _ALWAYS | (_WITH_BODY if "requestBody" in operation else {})
    for status, description in told.items():
        responses.setdefault(status, response(description, "Problem"))
    for status, one in responses.items():
        if status >= "400" and "content" not in one:
            one["content"] = response("", "Problem")["content"]
    takes_input = "requestBody" in operation or operation.get("parameters")
    if takes_input:
        responses["422"] = response("the request is invalid; nothing was done", "Problems")


def problem() -> Shape:
    """A refusal in one sentence."""
    return an_object({"detail": {"type": "string"}}, required=["detail"])


def problems() -> Shape:
    """A refusal that names rows and fields."""
    one = an_object(
        {
            "row": {"type": ["integer", "null"], "description": "from 0; null = the whole request"},
            "field": {"type": ["string", "null"]},
            "problem": {"type": "string"},
            "allowed": {"type": "string"},
        },
        required=["row", "field", "problem", "allowed"],
    )
    return an_object({"detail": {"type": "array", "items": one}}, required=["detail"])


def response(description: str, name: str) -> dict[str, Any]:
    """A JSON answer of the named shape."""
    return {
        "description": description,
        "content": content({"$ref": f"#/components/schemas/{name}"}, {}),
    }


def content(schema: Shape, examples: dict[str, Any]) -> dict[str, Any]:
    """A JSON body."""
    told = {"schema": schema, "examples": examples} if examples else {"schema": schema}
    return {"application/json": told}

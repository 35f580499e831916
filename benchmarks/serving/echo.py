"""The baseline of bench-serve: the least that an ASGI application can do with a POST."""

from typing import Any


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the body, send it back."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    message = await receive()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": message["body"]})


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return

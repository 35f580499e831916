"""A whole answer in one write, past uvicorn's `send`, which checks each of our constant headers.

That costs 2 us a header, as much as checking who asks. Uses internals of uvicorn, whose version
requirements/ pins; whatever is not the usual case goes the usual way.
"""

from typing import Any

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.border.headers import SECURITY

_CONSTANT = b"content-type: application/json\r\n" + b"".join(
    b"%b: %b\r\n" % pair for pair in SECURITY
)
_HEAD = b"%bcontent-length: %d\r\nx-request-id: %b\r\n\r\n"


def cycle_of(send: Send) -> RequestResponseCycle | None:
    """What stands behind a `send` of uvicorn that nobody has wrapped."""
    cycle: Any = getattr(send, "__self__", None)
    return cycle if type(cycle) is RequestResponseCycle else None


def write_whole(cycle: RequestResponseCycle, status: int, body: bytes, request_id: bytes) -> bool:
    """Answer with JSON and the headers of every answer; False = nothing was done.

    Args:
        request_id: plain, see headers.request_ids.
    """
    usual = cycle.keep_alive and not cycle.response_started and not cycle.disconnected
    if not usual or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    changing = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
    head = _HEAD % (changing, len(body), request_id)
    cycle.transport.write(STATUS_LINE[status] + _CONSTANT + head + body)
    cycle.message_event.set()
    cycle.on_response()
    return True

"""Which requests are well formed: one Host that is ours, a plain path, no header that counts twice.

Against DNS rebinding (a page whose name points here), BadHost (a Host that changes the URL that a
framework puts together) and requests that two readers read differently. Nothing in the service
decides by a URL: only by the path that the router sees too.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from contracts.settings import Settings
from service.access.refusals import RefusedError

_NAME = rb"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?\.?"
_ANY = rb"(?:" + _NAME + rb"|\[[0-9A-Fa-f:.]{2,45}\])"
_PORT = rb"(?::[0-9]{1,5})?"
ANY_HOST = re.compile(_ANY + _PORT)
_PLAIN = re.compile(rb"(?:/[\w~-][\w.~-]*)+")  # most paths: answered without the slow pattern
# A slash, dot or @ that is encoded or doubled means one thing to one reader, another to the next.
_ODD = re.compile(
    rb"//|/\.\.?(?:/|$)|[@\\]|[^!-~]|%(?:2[eEfF]|40|5[cC]|[01][0-9a-fA-F]|7[fF]|25)|^[^/]|^$"
)
# Every request carries these at most once. Two of them: which one counts?
_SINGLE = frozenset({
    b"host", b"authorization", b"x-api-key", b"idempotency-key", b"content-length",
    b"content-type", b"content-encoding", b"transfer-encoding", b"origin",
})  # fmt: skip


class BadHostError(RefusedError):
    """The Host header is absent, malformed, or not one of ours."""

    reason = "bad Host"

    def __init__(self) -> None:
        super().__init__(
            "the Host header names none of this service's hosts (PERENNIAL_ALLOWED_HOSTS)"
        )


class BadHeaderError(RefusedError):
    """A header that may come once came twice."""

    reason = "repeated header"

    def __init__(self, name: str) -> None:
        super().__init__(f"the header {name} came more than once")


class OddPathError(RefusedError):
    """No route has a path like this."""

    reason = "odd path"

    def __init__(self) -> None:
        super().__init__("Not Found")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a service that listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_pattern(settings: Settings) -> re.Pattern[bytes]:
    """What the whole Host header must match: a name that is ours, any port."""
    names = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    if not names and is_loopback(settings.host):
        names = ["localhost", "127.0.0.1", "::1", settings.host]
    if not names:
        return ANY_HOST
    bare = [f"[{name}]" if ":" in name and not name.startswith("[") else name for name in names]
    ours = b"|".join(re.escape(name.encode()) for name in bare)
    return re.compile(rb"(?:" + ours + rb")" + _PORT, re.IGNORECASE)


def check_host(headers: Mapping[bytes, bytes], hosts: re.Pattern[bytes]) -> None:
    """Let a request pass whose Host matches.

    Raises:
        BadHostError: it does not, or there is none.
    """
    if not _is_ours(headers.get(b"host", b""), hosts):
        raise BadHostError


def check_shape(
    raw_path: bytes, pairs: Sequence[tuple[bytes, bytes]], headers: Mapping[bytes, bytes]
) -> None:
    """Let a request pass that every reader reads alike.

    Args:
        pairs, headers: the headers as they came, and as a dict.

    Raises:
        BadHostError, BadHeaderError, OddPathError: see above.
    """
    if _is_odd(raw_path):
        raise OddPathError
    if len(headers) != len(pairs):
        _check_single(pairs)


# Clients say the same again and again: remembered, this costs a tenth.
@lru_cache(maxsize=128)
def _is_ours(host: bytes, hosts: re.Pattern[bytes]) -> bool:
    return hosts.fullmatch(host) is not None


@lru_cache(maxsize=128)
def _is_odd(raw_path: bytes) -> bool:
    return not _PLAIN.fullmatch(raw_path) and _ODD.search(raw_path) is not None


def _check_single(pairs: Sequence[tuple[bytes, bytes]]) -> None:
    seen: set[bytes] = set()
    for name, _ in pairs:
        if name in seen and name in _SINGLE:
            raise BadHostError if name == b"host" else BadHeaderError(name.decode())
        seen.add(name)

"""Who asks: what access control found out about a request."""

from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, Request

Scope = Literal["predict", "outcomes", "read", "admin"]


class Caller(NamedTuple):
    """Whoever holds a valid key or token; `key_id` is "" for nobody in particular."""

    key_id: str
    name: str
    scopes: frozenset[Scope]
    rate: str | None = None  # in rows, like "600/minute"
    quota: str | None = None  # in rows, like "1000000/day"
    actor: str = "nobody"  # how the audit log names them: a key's prefix, a token's subject


NOBODY = Caller("", "nobody", frozenset())


def get_caller(request: Request) -> Caller:
    caller: Caller = request.scope["caller"]
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]

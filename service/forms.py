"""Forms that a page posts: urlencoded fields, the reason and the confirmation among them."""

from collections.abc import Mapping
from urllib.parse import parse_qs

from fastapi import Request

MOST_FIELDS = 20
LONGEST_REASON = 1000


class FormError(ValueError):
    """A field is missing or wrong; the message says which."""


async def read_form(request: Request) -> dict[str, str]:
    """The first value of each field.

    Raises:
        FormError: there are too many.
    """
    text = (await request.body()).decode("utf-8", "replace")
    try:
        given = parse_qs(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise FormError("the form has too many fields") from None
    return {name: values[0] for name, values in given.items()}


def read_reason(form: Mapping[str, str]) -> str:
    """Why somebody wants it, once they have said that they do.

    Raises:
        FormError: it is not confirmed, or the reason is missing, too long or cannot be stored.
    """
    reason = form.get("reason", "").strip()
    if form.get("sure") != "yes":
        raise FormError("tick the box to confirm it")
    if not reason:
        raise FormError("say why: the reason is kept in the history")
    if len(reason) > LONGEST_REASON or "\0" in reason:
        raise FormError(f"the reason must be plain text of at most {LONGEST_REASON} characters")
    return reason

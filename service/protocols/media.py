"""Which kind of body came, and which kind to answer with."""

from service.protocols.errors import NotAcceptableError, UnsupportedMediaTypeError

JSON = "application/json"
CSV = "text/csv"
LINES = "application/jsonlines"
READ = ANSWERED = (JSON, CSV, LINES)
_SAME = {"application/jsonl": LINES, "application/x-jsonlines": LINES}


def read_content_type(header: str | None) -> str:
    """One of READ; JSON where the header is absent.

    Raises:
        UnsupportedMediaTypeError: another kind, or a charset other than UTF-8.
    """
    if not header:
        return JSON
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    kind = _SAME.get(kind, kind)
    charsets = [one.partition("=")[2].strip('"') for one in parameters if one[:8] == "charset="]
    if kind not in READ or any(charset not in ("utf-8", "us-ascii") for charset in charsets):
        raise UnsupportedMediaTypeError(header, READ)
    return kind


def choose_answer(header: str | None) -> str:
    """The most wanted of ANSWERED by an Accept header; JSON where it has no wish.

    Raises:
        NotAcceptableError: it wants none of them.
    """
    wishes = sorted(_wishes(header or "*/*"), key=lambda wish: -wish[1])  # stable: order decides
    for kind, weight in wishes:
        known = _SAME.get(kind, kind)
        found = next((one for one in ANSWERED if known in (one, _range(one), "*/*")), None)
        if weight > 0 and found:
            return found
    raise NotAcceptableError(header or "", ANSWERED)


def _wishes(header: str) -> list[tuple[str, float]]:
    found = []
    for part in header.split(","):
        kind, *parameters = (one.strip().lower() for one in part.split(";"))
        weights = [one[2:] for one in parameters if one.startswith("q=")]
        found.append((kind, _weight(weights[0]) if weights else 1.0))
    return found


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _range(kind: str) -> str:
    return f"{kind.partition('/')[0]}/*"

"""Where the service is, and the key that it wants."""

import os

LOCAL = "http://127.0.0.1:8000"


def find_service(url: str | None, api_key: str | None) -> tuple[str, dict[str, str]]:
    """The base URL without a slash at its end, and headers that show the key.

    What is None is PERENNIAL_URL and PERENNIAL_API_KEY; without them the local service, no key.
    """
    found = url or os.environ.get("PERENNIAL_URL") or LOCAL
    key = api_key or os.environ.get("PERENNIAL_API_KEY")
    return found.rstrip("/"), {"Authorization": f"Bearer {key}"} if key else {}

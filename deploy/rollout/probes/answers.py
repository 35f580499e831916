"""Inside a release on trial: its answers to the rows on stdin, as JSON; argument: its URL.

The first ones are asked one by one, for some faults show only after many requests.
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

ALONE, TOGETHER = 100, 200
ALONE_SECONDS = 10.0  # a slow release is found out by its canary
TIMEOUT_SECONDS = 30


def _parts(rows: list[Any]) -> Iterator[list[Any]]:
    start, end = 0, time.monotonic() + ALONE_SECONDS
    while start < len(rows):
        size = 1 if start < ALONE and time.monotonic() < end else TOGETHER
        yield rows[start : start + size]
        start += size


def _ask(address: str, rows: list[Any]) -> list[Any]:
    """Prediction and score of each row.

    Raises:
        SystemExit: it failed to answer.
    """
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    headers = {"X-API-Key": os.environ["PERENNIAL_API_KEY"], "Content-Type": "application/json"}
    connection.request("POST", "/predict", json.dumps({"instances": rows}), headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        sys.exit(f"it answers {response.status} to {json.dumps(rows[0])}: {content[:300]!r}")
    answer = json.loads(content)
    scores = answer.get("probability", answer["prediction"])
    flat = [max(one) if isinstance(one, list) else one for one in scores]
    return list(zip(answer["prediction"], flat, strict=True))


def main() -> None:
    rows = json.load(sys.stdin)
    try:
        found = [one for part in _parts(rows) for one in _ask(sys.argv[1], part)]
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"it stopped answering: {error!r}")
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

"""Asks the service of its own container and passes on what it says; deploy.replaying.container
runs the text of this file in there, for there is no other network.

Each line of stdin is a JSON array [method, path, body]; each line of stdout one of [status,
seconds, body]. Status 0 = no HTTP answer, and the body says why.
"""

import http.client
import json
import sys
import time
from pathlib import Path

SECONDS = 30


def relay(port: int, key: Path) -> None:
    """Until stdin ends."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    for line in sys.stdin:
        method, path, body = json.loads(line)
        begun = time.perf_counter()
        try:
            headers = {"X-API-Key": key.read_text(), "Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            status, said = response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()  # and open a new one with the next request
            status, said = 0, f"{type(error).__name__}: {error}"
        print(json.dumps([status, time.perf_counter() - begun, said]), flush=True)


if __name__ == "__main__":
    relay(int(sys.argv[1]), Path(sys.argv[2]))

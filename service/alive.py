"""Ask the service on this machine whether it lives: `python -m service.alive`, for containers."""

import argparse
import http.client
import os
import sys

SECONDS = 2


def main() -> None:
    argparse.ArgumentParser(prog="python -m service.alive", description=__doc__).parse_args()
    port = int(os.environ.get("PERENNIAL_PORT", "8000"))  # Settings would take half a second
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/health/live")
        status = connection.getresponse().status
    except OSError as error:
        sys.exit(f"no answer on port {port}: {error}")
    if status != 200:
        sys.exit(f"/health/live answers {status}")


if __name__ == "__main__":
    main()

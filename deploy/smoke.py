"""Ask a running service everything that a release must be able to do: `make smoke URL= KEY_FILE=`.

Uses only Python's own library, so that `deploy.rollout` can run it inside a container. The three
predictions that it asks for are logged like any other.
"""

import argparse
import http.client
import json
import math
import os
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 10.0
READABLE_SECONDS = 10.0  # a row may wait in the spool
KEY_VARIABLE = "PERENNIAL_API_KEY"


class SmokeError(RuntimeError):
    """The service did not do what it must; the message says what it did."""


@dataclass(frozen=True)
class Service:
    """Where it is and how to get in."""

    url: str
    key: str
    authority: str | None = None  # file of the certificate that signed its own

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """One request on a connection of its own.

        Raises:
            SmokeError: nobody answered.
        """
        at = urlsplit(self.url)
        connection = self._connect(at.hostname or "", at.port, at.scheme)
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, at.path.rstrip("/") + path, sent, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise SmokeError(f"{method} {path}: no answer ({error})") from None
        finally:
            connection.close()

    def get(self, method: str, path: str, body: object = None) -> Any:
        """JSON of a 200.

        Raises:
            SmokeError: another status, or no JSON.
        """
        status, content = self.ask(method, path, body)
        if status != 200:
            raise SmokeError(f"{method} {path} answers {status}: {content[:200]!r}")
        try:
            return json.loads(content)
        except ValueError:
            raise SmokeError(f"{method} {path} answers no JSON: {content[:80]!r}") from None

    def _connect(self, host: str, port: int | None, scheme: str) -> http.client.HTTPConnection:
        if scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        context = ssl.create_default_context(cafile=self.authority)
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)


def smoke(service: Service, version: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield each thing that works and a detail; the first that does not ends it.

    Args:
        version: the model's that has to answer; None = any.

    Raises:
        SmokeError: what did not work.
    """
    ready = service.get("GET", "/health/ready")
    yield "ready", str(ready["status"])
    found = ready["model_version"]
    if version is not None and found != version:
        raise SmokeError(f"version {found} answers, not {version}")
    row = _example(service)
    forms = {
        "predict, named features": {"features": row},
        "predict, features in order": {"features": list(row.values())},
        "predict, many rows": {"instances": [row, row]},
    }
    answers = {}
    for name, body in forms.items():
        began = time.monotonic()
        answers[name] = _answer(service, body, found)
        yield name, f"{1000 * (time.monotonic() - began):.0f} ms"
    if len({json.dumps(_values(answer)) for answer in answers.values()}) != 1:
        raise SmokeError(f"the three forms are answered differently: {answers}")
    yield "version", str(found)
    ids = [one for answer in answers.values() for one in answer["prediction_id"]]
    for prediction_id in ids:
        _find_row(service, prediction_id)
    yield "rows in the ledger", str(len(ids))
    status, content = service.ask("GET", "/metrics")
    if status != 200 or b"perennial_predictions_total{" not in content:
        raise SmokeError(f"GET /metrics answers {status} and counts no predictions")
    yield "metrics", f"{len(content.splitlines())} lines"


def _example(service: Service) -> dict[str, Any]:
    """The row that the service's own description shows."""
    document = service.get("GET", "/openapi.json")
    try:
        row: dict[str, Any] = document["components"]["schemas"]["Row"]["example"]
    except (KeyError, TypeError):
        raise SmokeError("/openapi.json shows no example row: is there a champion?") from None
    return row


def _answer(service: Service, body: object, version: str) -> Any:
    answer = service.get("POST", "/predict", body)
    if answer["model_version"] != version:
        raise SmokeError(f"/predict answers by {answer['model_version']}, not {version}")
    numbers = _flat(answer.get("probability", answer["prediction"]))
    if not all(math.isfinite(n) for n in numbers if isinstance(n, float)):
        raise SmokeError(f"/predict answers with {numbers}")
    return answer


def _flat(value: Any) -> list[Any]:
    return [x for one in value for x in _flat(one)] if isinstance(value, list) else [value]


def _values(answer: dict[str, Any]) -> list[Any]:
    """What is answered to the first row."""
    return [answer[name][0] for name in ("prediction", "probability") if name in answer]


def _find_row(service: Service, prediction_id: str) -> None:
    end = time.monotonic() + READABLE_SECONDS
    while True:
        status, content = service.ask("GET", f"/predictions/{prediction_id}")
        if status == 200 and json.loads(content)["prediction_id"] == prediction_id:
            return
        if status != 503 or time.monotonic() > end:
            raise SmokeError(f"prediction {prediction_id} is not in the ledger: {status}")
        time.sleep(0.2)


def _key(file: str | None) -> str:
    return os.environ.get(KEY_VARIABLE, "") if file is None else Path(file).read_text().strip()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.smoke", description=__doc__)
    parser.add_argument("--url", required=True, help="like https://example.com")
    parser.add_argument("--key-file", help=f"of predict and read scope; default: {KEY_VARIABLE}")
    parser.add_argument("--ca", help="file of the authority that signed an own certificate")
    parser.add_argument("--version", help="the model's version that has to answer")
    given = parser.parse_args()
    try:
        service = Service(given.url, _key(given.key_file), given.ca)
        for name, detail in smoke(service, given.version):
            print(f"ok      {name:28}{detail}", flush=True)
    except (OSError, SmokeError) as error:
        print(f"FAILED  {error}", flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

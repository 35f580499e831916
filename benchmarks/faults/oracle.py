"""What each version must answer, worked out apart from the service."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.champion import Serving, load_serving

MAX_ROWS = 10_000


class Oracle:
    """Answers from the registered bundles themselves."""

    def __init__(self, bundles: Path) -> None:
        self._bundles = bundles
        self._loaded: dict[str, Serving] = {}
        self._known: dict[tuple[str, str], list[float]] = {}

    def probabilities(self, version: str, rows: Sequence[dict[str, Any]]) -> list[float]:
        """Of the positive class, one a row."""
        body = json.dumps({"instances": rows})
        if (version, body) not in self._known:
            self._known[version, body] = self._ask(version, body)
        return self._known[version, body]

    def _ask(self, version: str, body: str) -> list[float]:
        if version not in self._loaded:
            self._loaded[version] = load_serving(self._bundles, version, MAX_ROWS)
        serving = self._loaded[version]
        rows = serving.decoder.decode(body.encode())
        reading = serving.predictor.read(serving.predictor.answers(rows.numeric, rows.text))
        return [float(p) for p in reading.logged if p is not None]

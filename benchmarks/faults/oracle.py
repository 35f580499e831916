"""What each version must answer, worked out apart from the service."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.versions.serving import Serving, load_serving

AT_ONCE = 10_000


class Oracle:
    """Answers from the registered bundles themselves."""

    def __init__(self, bundles: Path) -> None:
        self._bundles = bundles
        self._loaded: dict[str, Serving] = {}

    def probabilities(self, version: str, rows: Sequence[dict[str, Any]]) -> list[float]:
        """Of the positive class, one a row."""
        if version not in self._loaded:
            self._loaded[version] = load_serving(self._bundles, version, AT_ONCE)
        serving = self._loaded[version]
        found: list[float] = []
        for start in range(0, len(rows), AT_ONCE):
            body = json.dumps({"instances": rows[start : start + AT_ONCE]}).encode()
            asked = serving.decoder.decode(body)
            answers = serving.predictor.answers(asked.numeric, asked.text)
            found += [float(p) for p in serving.predictor.read(answers).logged if p is not None]
        return found

"""What each version predicts, from its bundle."""

import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from contracts.schema import FeatureSchema, SchemaError, Target

log = logging.getLogger(__name__)

KEPT_VERSIONS = 16


def targets_in(bundles: Path) -> Callable[[str], Target | None]:
    """A function from a version to its target; None where its bundle cannot be read.

    Only schema.json is read: no model is loaded for a gauge.
    """

    @lru_cache(KEPT_VERSIONS)
    def target_of(version: str) -> Target | None:
        try:
            content = (bundles / version / "schema.json").read_bytes()
            return FeatureSchema.from_json(content).target
        except (OSError, SchemaError) as error:
            log.warning("version %s cannot be judged: %s", version, error)
            return None

    return target_of

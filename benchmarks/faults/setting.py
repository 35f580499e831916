"""What every fault is given."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Setting:
    """What a fault is given.

    Attributes:
        directory: its own, empty.
        bundles: two that answer differently.
        amount: trials.
        module: what is run as the service, with arguments.
    """

    directory: Path
    bundles: tuple[Path, Path]
    amount: int
    quick: bool
    rng: np.random.Generator
    module: tuple[str, ...] = ("service",)

    def seconds(self, usual: float) -> float:
        """How long an outage lasts."""
        return 2.0 if self.quick else usual

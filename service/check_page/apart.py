"""The classifier of a check's page: how well the window is told from the reference, and by what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.check_page.findings import number, section

MOST_SHOWN = 20


@dataclass(frozen=True)
class Apart:
    """What monitoring/domain.py found.

    Attributes:
        auc: area under the curve, cross-validated by days; 0.5 = not told apart at all.
        usual: the highest of the reference's own runs of days.
        columns: by which it is told, and how much area each is worth.
    """

    auc: float
    usual: float | None
    columns: list[tuple[str, float]]

    @property
    def unusual(self) -> bool:
        return self.usual is not None and self.auc > self.usual

    @property
    def reach(self) -> float:
        """Where the area is between 0.5 and 1, as a percentage."""
        return _along(self.auc)

    @property
    def usual_reach(self) -> float:
        """The same of what is usual."""
        return _along(self.usual or 0.5)


def read_apart(findings: Mapping[str, Any]) -> Apart | None:
    """None: no classifier was asked, as of a window that is `ok`, or it had too few days."""
    found = section(findings, "apart")
    auc, drops = number(found, "auc"), section(found, "columns")
    if auc is None:
        return None
    known = [(str(name), number(drops, name)) for name in drops]
    columns = [(name, drop) for name, drop in known if drop is not None]
    columns.sort(key=lambda each: -each[1])
    return Apart(auc, number(found, "usual"), columns[:MOST_SHOWN])


def _along(area: float) -> float:
    return round(100 * min(max(2 * area - 1, 0.0), 1.0), 1)

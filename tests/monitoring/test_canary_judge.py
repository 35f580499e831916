"""How much harm must stand out, and what params may ask for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.monitoring_params import Canary, Monitoring
from contracts.params import Params
from monitoring.canary_judge import Seen, decide
from monitoring.canary_live import Live
from monitoring.canary_rule import find
from monitoring.side_by_side import Beside, beside
from tests.monitoring.canaries import TRIED, alike, begin
from tests.monitoring.conftest import FEBRUARY, World

__all__ = ["alike"]


@pytest.mark.parametrize(("hours", "ends"), [(24, False), (150, True)])
def test_early_looks_ask_for_more(hours: float, ends: bool) -> None:
    harm = Beside(rows=5000, blocks=20, loss=0.5, added=0.02, t=3.0)
    word = decide(Seen(hours, Live(rows=500, champions=900, own=100), harm), 0.1, Canary())

    assert word.act == ("end" if ends else "wait")
    assert ("may be chance" in word.reason) != ends


def test_whatever_else_speaks_against_it_ends_it_with_the_rest() -> None:
    none_answered = Live(champions=900)
    seen = Seen(30, none_answered, Beside(rows=500), ("errors rose", "it is slow"))
    word = decide(seen, 0.1, Canary())

    assert word.act == "end"
    assert word.reason.startswith("it has answered nothing, where about 100 requests")
    assert word.reason.endswith("; errors rose; it is slow")


def test_what_days_differed_by_is_the_least_error() -> None:
    rng = np.random.default_rng(0)
    losses, added = np.full(4000, 0.5), rng.normal(0.02, 0.1, 4000)
    hours = np.repeat(np.datetime64("2013-02-01T00") + np.arange(20), 200)
    alone, beside_days = (beside(losses, added, hours, least) for least in (0.0, 0.05))

    assert alone.t is not None
    assert alone.t > 8
    assert beside_days.t == pytest.approx(beside_days.added / 0.05)


def test_what_the_gate_saw_tells_how_days_differ(world: World, alike: Path) -> None:
    begin(world, alike, FEBRUARY, TRIED)
    with world.engine.connect() as connection:
        running = find(connection)
    assert running is not None
    assert running.daily is None
    seen = replace(running, verdict={"saved": 0.01, "t": 2.0, "days": 16})
    assert seen.daily == pytest.approx(0.02)  # its standard error is 0.005


@pytest.mark.parametrize(
    ("values", "why"),
    [({"share": 0.0}, "share"), ({"share": 1.0}, "share"), ({"entity": ""}, "entity"),
     ({"hours": 48, "most_hours": 24}, "most_hours 24 is less than hours 48"),
     ({"max_t": 0}, "max_t"), ({"percent": 5}, "percent")],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_params(values: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Canary.model_validate(values)


def test_rows_that_a_canary_is_judged_by_are_kept(params: Params) -> None:
    shipped = params.monitoring.model_dump()
    shipped |= {"retention": {"days": 56}}
    Monitoring.model_validate(shipped)
    with pytest.raises(ValueError, match=r"retention\.days 56 is less than 105"):
        Monitoring.model_validate(
            shipped | {"promotion": {"mode": "canary", "canary": {"most_hours": 2400}}}
        )

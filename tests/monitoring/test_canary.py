"""A challenger is tried on a share of the requests, and then promoted, ended, or left to go on."""

import json
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Row, delete, select, update

from contracts.audit import record
from contracts.bundle import load_bundle, save_bundle
from contracts.database import write_transaction
from contracts.monitoring_params import Canary, Monitoring, Promotion
from contracts.params import Params
from contracts.registry import champion, promote, register, roll_back
from contracts.settings import Settings
from contracts.tables import decisions, outcomes, predictions, retrains
from contracts.traffic import RefusedRuleError, Rule, current_traffic
from contracts.traffic_rules import change_traffic, check_traffic
from monitoring import canary
from monitoring.attempts import RefusedError
from monitoring.attempts import begin as begin_attempt
from monitoring.canary import Finding, run_canary
from monitoring.canary_judge import Seen, decide
from monitoring.canary_live import Live
from monitoring.canary_rule import find
from monitoring.erasure import BEGAN, wanted_retrain
from monitoring.history import read_history
from monitoring.leases import utc_now
from monitoring.probation import run_probation
from monitoring.recalibrate import run_recalibration
from monitoring.side_by_side import Beside, beside
from monitoring.triggers import of_person
from tests.monitoring.canaries import answer, begin
from tests.monitoring.conftest import FEBRUARY, World
from tests.monitoring.test_probation import clueless

__all__ = ["clueless"]

TRIED = Canary(share=0.4, min_rows=20)


@pytest.fixture(scope="session")
def alike(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """The champion's model again, as another version."""
    bundle = load_bundle(trained)
    facts = {name: bundle.manifest[name] for name in ("trained_from", "trained_until")}
    directory = tmp_path_factory.mktemp("alike") / "bundle"
    save_bundle(directory, {**bundle.files, "model_card.md": b"# Again\n"}, facts)
    return directory


@pytest.fixture
def monitoring(params: Params) -> Monitoring:
    promotion = Promotion(mode="canary", canary=TRIED)
    return params.monitoring.model_copy(update={"promotion": promotion, "recalibrate": None})


@pytest.fixture
def slowly(monitoring: Monitoring) -> Monitoring:
    """It takes four days, so that there is time to end it before."""
    promotion = monitoring.promotion
    tried = TRIED.model_copy(update={"hours": 96})
    return monitoring.model_copy(
        update={"promotion": promotion.model_copy(update={"canary": tried})}
    )


def _look(world: World, monitoring: Monitoring, hours: float, **how: bool) -> Finding:
    now = FEBRUARY + timedelta(hours=hours)
    found = run_canary(world.engine, world.bundles, monitoring, now, **how)
    assert found is not None
    return found


def _live(world: World, february: pd.DataFrame, version: str, hours: float) -> int:
    flights = february[february.event_time < FEBRUARY + timedelta(hours=hours)]
    return answer(world, flights, Rule("canary", version, TRIED.share))


def _row(world: World) -> Row[Any]:
    with world.engine.connect() as connection:
        return connection.execute(select(retrains)).one()


def _told(world: World) -> list[tuple[str, str, str]]:
    with world.engine.connect() as connection:
        rows = connection.execute(select(decisions)).all()
    return [(row.trigger, row.action, row.answer) for row in rows]


def _registry(world: World) -> tuple[str, str, str | None]:
    """The champion, and who else answers how."""
    with world.engine.connect() as connection:
        current, traffic = champion(connection), current_traffic(connection)
    assert current is not None
    assert traffic is not None
    return current.version, traffic.rule.mode, traffic.rule.version


def test_one_that_did_no_harm_for_its_time_is_promoted(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    assert _registry(world) == (world.bundle.version, "canary", version)
    answered = _live(world, february, version, 30)
    early = _look(world, monitoring, 23)
    assert (early.state, _told(world)) == ("canary", [])
    assert "23.0 of 24 hours are over" in early.reason
    found = _look(world, monitoring, 25)

    assert found.state == "promoted", found.reason
    assert 20 < answered
    assert "without fault" in found.reason
    assert _registry(world) == (version, "champion", None)
    row = _row(world)
    assert (row.state, row.finished_at) == ("promoted", FEBRUARY + timedelta(hours=25))
    assert json.loads(row.verdict)["reason"] == found.reason
    assert _told(world) == [("canary", "promote", "yes")]
    with world.engine.connect() as connection:
        assert connection.execute(select(decisions.c.retrain_id)).scalar_one() == "r1"
    # From here on its probation runs as after any promotion.
    watched = run_probation(world.engine, world.bundles, monitoring, FEBRUARY + timedelta(hours=26))
    assert watched is not None
    assert "on probation" in watched.reason


def test_a_harmful_one_is_ended_before_its_time(
    world: World, clueless: Path, february: pd.DataFrame, slowly: Monitoring
) -> None:
    version = begin(world, clueless, FEBRUARY, TRIED)
    _live(world, february, version, 60)
    found = _look(world, slowly, 60)

    assert found.state == "rejected", found.reason
    assert "costs" in found.reason
    assert "after 60 hours" in found.reason
    assert _registry(world) == (world.bundle.version, "champion", None)
    assert _row(world).state == "rejected"
    assert _told(world) == [("canary", "promote", "no")]
    with world.engine.connect() as connection:
        assert read_history(connection, FEBRUARY + timedelta(days=5)).fruitless == 1
    assert run_canary(world.engine, world.bundles, slowly, FEBRUARY) is None


def test_few_rows_and_few_outcomes_wait_and_most_hours_decide(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    _live(world, february, version, 12)
    with write_transaction(world.engine) as connection:
        connection.execute(delete(outcomes))
    found = _look(world, monitoring, 100)
    assert found.state == "canary"
    assert "no mature outcome has come yet" in found.reason
    assert "0 mature outcomes are known, 20 are asked for" in found.reason

    last = _look(world, monitoring, 168)
    assert last.state == "promoted"
    assert "its 168 hours are over" in last.reason


def test_one_that_nobody_has_asked_is_not_promoted(
    world: World, alike: Path, monitoring: Monitoring
) -> None:
    begin(world, alike, FEBRUARY, TRIED)
    assert _look(world, monitoring, 100).state == "canary"
    found = _look(world, monitoring, 168)

    assert (found.state, _registry(world)[1]) == ("rejected", "champion")
    assert "it has answered nothing" in found.reason


@pytest.mark.parametrize("refusing", [False, True], ids=["cannot be loaded", "refuses all"])
def test_one_that_never_answers_is_ended_and_told(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring, refusing: bool
) -> None:
    """Where no worker can load it the champion answers; what it refuses leaves no row."""
    version = begin(world, alike, FEBRUARY, TRIED)
    _live(world, february, version, 20)
    own = predictions.c.model_version == version
    with write_transaction(world.engine) as connection:
        theirs = {"model_version": world.bundle.version}
        change = delete(predictions) if refusing else update(predictions).values(theirs)
        connection.execute(change.where(own))
    found = _look(world, monitoring, 20)

    assert found.state == "rejected"
    assert "no worker can load it" in found.reason
    assert _registry(world) == (world.bundle.version, "champion", None)


def test_one_that_refuses_many_of_its_requests_is_ended(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    answered = _live(world, february, version, 72)
    own = predictions.c.model_version == version
    some = select(predictions.c.prediction_id).where(own).limit(answered // 2)
    with write_transaction(world.engine) as connection:
        connection.execute(delete(predictions).where(predictions.c.prediction_id.in_(some)))
    found = _look(world, monitoring, 72)

    assert found.state == "rejected"
    assert "were its share have left no row: it refused them, or failed" in found.reason


def test_answers_that_are_not_its_bundles_end_it(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    _live(world, february, version, 6)
    own = predictions.c.model_version == version
    with write_transaction(world.engine) as connection:
        connection.execute(update(predictions).where(own).values(probability=0.5))
    found = _look(world, monitoring, 6)

    assert found.state == "rejected"
    assert "what is served is not what was judged" in found.reason


def test_one_whose_files_are_damaged_is_ended(
    world: World, alike: Path, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    (world.bundles / version / "model.onnx").write_bytes(b"nothing")
    found = _look(world, monitoring, 1)

    assert found.state == "rejected"
    assert "cannot be read" in found.reason


def test_entities_are_drawn_as_the_service_draws_them(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    params = TRIED.model_copy(update={"entity": "dest"})
    version = begin(world, alike, FEBRUARY, params)
    hours = [FEBRUARY + timedelta(hours=number) for number in (1, 30)]
    flights = february[february.event_time.between(*hours, inclusive="left")]
    answered = answer(world, flights, Rule("canary", version, TRIED.share, "dest"))
    found = _look(world, monitoring, 30)

    assert found.state == "promoted"
    assert f"it has answered {answered} rows" in found.seen[0]


def _divide(world: World, rule: Rule) -> None:
    with world.engine.connect() as connection:
        checked = check_traffic(connection, world.bundles, rule)
    with write_transaction(world.engine) as connection:
        change_traffic(connection, checked, actor="she", reason="mine now", now=FEBRUARY)


@pytest.mark.parametrize(
    ("act", "state"),
    [("stops", "superseded"), ("widens", "superseded"), ("promotes another", "superseded"),
     ("rolls back", "superseded"), ("promotes it", "promoted")],
)  # fmt: skip
def test_what_a_person_does_meanwhile_stands(
    world: World, alike: Path, clueless: Path, monitoring: Monitoring, act: str, state: str
) -> None:
    another = register(world.engine, world.bundles, clueless, FEBRUARY, {})
    with write_transaction(world.engine) as connection:  # somebody to roll back to
        promote(connection, another, actor="test", reason="", now=FEBRUARY)
        promote(connection, world.bundle.version, actor="test", reason="", now=FEBRUARY)
    version = begin(world, alike, FEBRUARY, TRIED)
    if act in ("stops", "widens"):
        _divide(world, Rule() if act == "stops" else Rule("canary", version, 0.9))
    else:
        with write_transaction(world.engine) as connection:
            if act == "rolls back":
                roll_back(connection, actor="she", reason="mine now", now=FEBRUARY)
            else:
                chosen = another if act == "promotes another" else version
                promote(connection, chosen, actor="she", reason="mine now", now=FEBRUARY)
    after = _registry(world)
    found = run_canary(world.engine, world.bundles, monitoring, FEBRUARY + timedelta(hours=200))

    assert _registry(world) == after
    assert _row(world).state == state
    if state == "promoted":
        assert found is None
    else:
        assert found is not None
        assert found.state == "superseded"
        assert "she changed who answers" in found.reason
        assert "the canary is over" in json.loads(_row(world).verdict)["reason"]
        assert _told(world) == [("canary", "promote", "no")]
    with world.engine.connect() as connection:  # nobody can say that it did not help
        assert read_history(connection, FEBRUARY + timedelta(days=20)).fruitless == 0


def _ask_governor(world: World, params: Params) -> None:
    now = FEBRUARY + timedelta(hours=2)
    asked = of_person("a test", now, over_budget=True)
    policy = params.monitoring.policy
    begin_attempt(world.engine, asked, policy, world.bundle.version, now=now, wall=utc_now())


def test_no_retrain_begins_while_one_runs_and_one_may_once_a_person_ended_it(
    world: World, alike: Path, params: Params
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    with pytest.raises(RefusedError, match=f"the canary of version {version} is not decided yet"):
        _ask_governor(world, params)
    _divide(world, Rule())
    _ask_governor(world, params)

    with world.engine.connect() as connection:
        states = connection.execute(select(retrains.c.state).order_by("started_at")).scalars()
        assert list(states) == ["superseded", "started"]


def test_a_retrain_that_an_erasure_asked_for_is_paid_while_it_runs(
    world: World, alike: Path
) -> None:
    with write_transaction(world.engine) as connection:
        record(connection, actor="test", action=BEGAN, subject="x", detail={"retrain": True},
               now=FEBRUARY)  # fmt: skip
        assert wanted_retrain(connection) is not None
    begin(world, alike, FEBRUARY, TRIED)
    with world.engine.connect() as connection:
        assert wanted_retrain(connection) is None


def test_recalibration_waits_for_it(
    world: World, alike: Path, params: Params, february: pd.DataFrame
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    _live(world, february.assign(late=1.0), version, 24 * 10)
    asked = params.monitoring.recalibrate
    assert asked is not None
    settings = Settings(_env_file=None, bundles_dir=world.bundles)
    found = run_recalibration(world.engine, settings, asked, FEBRUARY + timedelta(days=10))

    assert not found.changed
    assert "traffic is divided (canary)" in found.reason
    assert _registry(world) == (world.bundle.version, "canary", version)


def test_a_recalibration_under_way_does_not_end_one_that_has_just_begun(
    world: World, alike: Path, params: Params, february: pd.DataFrame
) -> None:
    world.answer(february.assign(late=1.0))
    asked, begun = params.monitoring.recalibrate, []
    assert asked is not None
    settings = Settings(_env_file=None, bundles_dir=world.bundles)

    def watch(frame: FrameType, happened: str, _argument: object) -> None:
        if happened == "return" and frame.f_code.co_name == "propose" and not begun:
            begun.append(begin(world, alike, FEBRUARY, TRIED))

    sys.setprofile(watch)
    try:
        found = run_recalibration(world.engine, settings, asked, FEBRUARY + timedelta(days=27))
    finally:
        sys.setprofile(None)

    assert not found.changed
    assert "traffic is divided (canary)" in found.reason
    assert _registry(world) == (world.bundle.version, "canary", begun[0])


def test_of_two_schedulers_one_acts(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    _live(world, february, version, 30)
    ready, found = threading.Barrier(2), []

    def look() -> None:
        ready.wait()
        now = FEBRUARY + timedelta(hours=30)
        found.append(run_canary(world.engine, world.bundles, monitoring, now))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [each.state for each in found if each].count("promoted") == 1
    assert _told(world) == [("canary", "promote", "yes")]
    assert _registry(world)[0] == version


def test_a_rule_of_a_person_keeps_canaries_out(world: World, alike: Path, clueless: Path) -> None:
    _divide(world, Rule("ab", register(world.engine, world.bundles, clueless, FEBRUARY, {}), 0.5))
    with pytest.raises(RefusedRuleError, match="traffic is divided already, ab .* by she"):
        begin(world, alike, FEBRUARY, TRIED)
    assert _registry(world)[1] == "ab"


def test_an_entity_that_is_no_feature_keeps_canaries_out(world: World, alike: Path) -> None:
    with pytest.raises(RefusedRuleError, match="entity 'customer' is no feature"):
        begin(world, alike, FEBRUARY, TRIED.model_copy(update={"entity": "customer"}))


def test_a_dry_run_tells_and_changes_nothing(
    world: World, clueless: Path, february: pd.DataFrame, slowly: Monitoring
) -> None:
    version = begin(world, clueless, FEBRUARY, TRIED)
    _live(world, february, version, 60)
    found = _look(world, slowly, 60, dry=True)

    assert found.state == "rejected", found.reason
    assert _registry(world) == (world.bundle.version, "canary", version)
    assert (_row(world).state, _told(world)) == ("canary", [])


def test_the_command_tells_what_it_sees(
    world: World, alike: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", str(world.engine.url))
    monkeypatch.setenv("PERENNIAL_BUNDLES_DIR", str(world.bundles))
    monkeypatch.setattr("sys.argv", ["canary"])
    with pytest.raises(SystemExit, match="no canary runs"):
        canary.main()
    version = begin(world, alike, utc_now() - timedelta(hours=2))
    canary.main()

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"canary {version}"
    assert "it has answered 0 rows" in lines[1]
    assert "no mature outcome has come yet" in lines[2]
    assert lines[3].startswith("goes on: ")


@pytest.mark.parametrize(("hours", "ends"), [(24, False), (150, True)])
def test_early_looks_ask_for_more(hours: float, ends: bool) -> None:
    harm = Beside(rows=5000, blocks=20, loss=0.5, added=0.02, t=3.0)
    word = decide(Seen(hours, Live(rows=500, champions=900, own=100), harm), 0.1, Canary())

    assert word.act == ("end" if ends else "wait")
    assert ("may be chance" in word.reason) != ends


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
    with pytest.raises(ValueError, match=r"retention\.days 56 is less than 101"):
        Monitoring.model_validate(
            shipped | {"promotion": {"mode": "canary", "canary": {"most_hours": 2400}}}
        )

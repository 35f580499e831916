"""The order of a rollout, and what is left wherever it fails or is killed."""

from pathlib import Path

import pytest

from deploy.rollout.record import BusyError, Record, only_one, set_variable
from deploy.rollout.roll import Plan, UnfinishedError, recover, roll
from deploy.rollout.trial import BadReleaseError
from tests.deploy.pretended import CARRIED, CHAMPION, NEW, OLD, KilledError, PretendedHost

PLAN = Plan(NEW, canary_seconds=0, watch_seconds=0, drain_seconds=0)
WITH_MODEL = Plan(NEW, promote=True, canary_seconds=0, watch_seconds=0, drain_seconds=0)
CALLS = ("trial", "install", "start_next", "point service next", "point next next", "remember",
         "restart_service", "point service service", "stop_next")  # fmt: skip


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path)


def as_before(host: PretendedHost, record: Record) -> None:
    assert host.running == {"service": OLD}
    assert (host.upstreams, host.remembered, host.champion) == (("service",) * 2, OLD, CHAMPION)
    assert record.read() == {}


def test_a_good_release_takes_over_step_by_step(record: Record) -> None:
    host = PretendedHost()
    roll(host, record, PLAN)

    assert [call for call in host.done if call in CALLS] == list(CALLS)
    assert host.running == {"service": NEW}
    assert host.remembered == NEW
    assert host.champion == CHAMPION
    assert record.read() == {}


def test_its_model_becomes_champion_where_that_is_asked(record: Record) -> None:
    host = PretendedHost()
    roll(host, record, WITH_MODEL)

    assert host.champion == CARRIED


@pytest.mark.parametrize(
    "broken", ["trial", "answers trial", "install", "start_next", "smoke next", "registry service"]
)
def test_whatever_fails_before_the_decision_leads_back(record: Record, broken: str) -> None:
    host = PretendedHost(broken=(broken,))

    with pytest.raises(BadReleaseError):
        roll(host, record, WITH_MODEL)
    as_before(host, record)


@pytest.mark.parametrize("promote", [True, False])
def test_a_bad_model_gets_no_request(record: Record, promote: bool) -> None:
    host = PretendedHost(scores=[0.4] * 100)

    with pytest.raises(BadReleaseError, match="its answers differ"):
        roll(host, record, WITH_MODEL if promote else PLAN)
    as_before(host, record)
    assert "start_next" not in host.done


def test_a_slow_release_is_found_by_its_canary(record: Record) -> None:
    host = PretendedHost(slow=1.0)

    with pytest.raises(BadReleaseError, match="p95"):
        roll(host, record, Plan(NEW, canary_seconds=30, drain_seconds=0))
    as_before(host, record)
    assert "point next next" not in host.done


def test_too_few_rows_judge_no_model_but_let_code_pass(record: Record) -> None:
    few = {"least_rows": 101, "canary_seconds": 0, "watch_seconds": 0, "drain_seconds": 0}
    host = PretendedHost()

    with pytest.raises(BadReleaseError, match="100 logged rows cannot judge"):
        roll(host, record, Plan(NEW, promote=True, **few))
    roll(host, record, Plan(NEW, **few))
    assert '"not compared"' in (record.directory / "journal.jsonl").read_text()


@pytest.mark.parametrize("call", CALLS)
def test_wherever_it_is_killed_the_next_one_ends_it(record: Record, call: str) -> None:
    host = PretendedHost(killed=call)
    with pytest.raises(KilledError):
        roll(host, record, PLAN)
    assert all(name in host.running for name in host.upstreams)

    recover(host, record, 0)

    kept = CALLS.index(call) >= CALLS.index("remember")
    assert host.running == {"service": NEW if kept else OLD}
    assert host.upstreams == ("service", "service")
    assert record.read() == {}


def test_killed_after_the_promotion_the_model_goes_back(record: Record) -> None:
    host = PretendedHost()
    record.write(phase="trying", image=NEW, promoted=CARRIED)
    host.running["next"], host.upstreams, host.champion = NEW, ("next", "next"), CARRIED

    recover(host, record, 0)
    as_before(host, record)


def test_a_good_release_that_cannot_be_settled_goes_on_answering(record: Record) -> None:
    host = PretendedHost(broken=("restart_service",))

    with pytest.raises(UnfinishedError):
        roll(host, record, PLAN)
    assert host.upstreams == ("next", "next")
    host.broken = ()
    recover(host, record, 0)
    assert host.running == {"service": NEW}


def test_nothing_is_recovered_after_a_rollout_that_ended(record: Record) -> None:
    host = PretendedHost()
    recover(host, record, 0)

    assert host.done == []


def test_a_second_rollout_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path / "var"), pytest.raises(BusyError), only_one(tmp_path / "var"):
        pass


def test_one_variable_of_env_is_set_and_the_rest_stays(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# mine\nPERENNIAL_SERVICE_IMAGE=a:1\nPERENNIAL_DOMAIN=example.com\n")
    file.chmod(0o600)
    set_variable(file, "PERENNIAL_SERVICE_IMAGE", "b@sha256:0")

    assert file.read_text() == (
        "# mine\nPERENNIAL_DOMAIN=example.com\nPERENNIAL_SERVICE_IMAGE=b@sha256:0\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600

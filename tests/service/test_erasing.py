"""A subject leaves the spool and its quarantine; what others wait with is replayed as before."""

import json
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import idempotency_keys, outcomes, predictions
from service.app import create_app
from service.ledger.batch import Batch, KeptAnswer, decode, encode
from service.ledger.erasing import Erased, erase_from_spools
from service.ledger.outcomes import Outcome
from service.ledger.spool import open_spool
from tests.service.servers import environment, wait_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHO = "customer-4711"
SUBJECT = Subject("customer", WHO)
BUDGET = 1_000_000


def name_of(number: int) -> str:
    return f"01a1fd10-fe88-726d-baae-{number:012x}"


def row(number: int, who: str) -> tuple[object, ...]:
    features = json.dumps({"hour": 3, "customer": who})
    return (name_of(number), NOW, NOW, "v", features, "1", 0.5, None)


def batches() -> list[Batch]:
    """Six rows of which three are the subject's, outcomes and kept answers for all of them."""
    kept = [
        KeptAnswer("", f"key {i}", "", json.dumps({"prediction_id": [name_of(i)]}), i, i + 1)
        for i in range(3)
    ]
    return [
        Batch(NOW, [row(0, "other"), row(1, WHO), row(2, "third")], kept),  # type: ignore[list-item]
        Batch(NOW, [row(3, WHO), row(4, WHO)]),  # type: ignore[list-item]
        Batch(NOW, [row(5, "customer-47110")], [], [Outcome(name_of(i), 1, NOW) for i in range(6)]),  # type: ignore[list-item]
    ]


@pytest.fixture
def slot(settings: Settings) -> Path:
    """A spool as a killed service leaves it."""
    spool = open_spool(settings.spool_dir, BUDGET)
    for batch in batches():
        spool.append(encode(batch), len(batch.rows), len(batch.keys), 1)
    spool.close()
    return spool.slot


def waiting(directory: Path) -> list[Batch]:
    spool = open_spool(directory, BUDGET)
    found = [decode(record.payload) for record in spool.read().records if record.payload]
    spool.close()
    return found


def erase(settings: Settings, subject: Subject = SUBJECT) -> Erased:
    return erase_from_spools(settings.spool_dir, subject, dry_run=False)


def test_rows_their_outcomes_and_answers_are_gone_and_the_rest_is_as_it_was(
    settings: Settings, slot: Path
) -> None:
    size = next(slot.glob("*.spool")).stat().st_size
    done = erase(settings)

    assert (done.rows, done.outcomes, done.keys, done.held) == (3, 3, 1, [])
    assert done.ids == {name_of(1), name_of(3), name_of(4)}
    first, second, third = waiting(settings.spool_dir)
    whole = batches()
    assert first.rows == [whole[0].rows[0], whole[0].rows[2]]
    places = {one.key: (one.start, one.stop) for one in first.keys}
    assert places == {"key 0": (0, 1), "key 2": (1, 2)}
    assert second.rows == []
    assert third.rows == whole[2].rows
    assert [one.prediction_id for one in third.outcomes] == [name_of(i) for i in (0, 2, 5)]
    (segment,) = slot.glob("*.spool")
    assert segment.stat().st_size == size  # the database knows by offsets what it has
    assert not SUBJECT.text_pattern().search(segment.read_bytes())
    assert erase(settings) == Erased()  # again: nothing


def test_what_is_left_is_replayed(
    settings: Settings, slot: Path, champion: str, engine: Engine
) -> None:
    erase(settings)

    def stored() -> list[int]:
        with engine.connect() as connection:
            return [
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (predictions, outcomes, idempotency_keys)
            ]

    with TestClient(create_app(settings)):
        wait_for(lambda: stored() == [3, 3, 2])
    assert not any(slot.glob("quarantine/*"))


def test_a_dry_run_counts_only(settings: Settings, slot: Path) -> None:
    before = next(slot.glob("*.spool")).read_bytes()
    done = erase_from_spools(settings.spool_dir, SUBJECT, dry_run=True)
    assert done.rows == 3
    assert next(slot.glob("*.spool")).read_bytes() == before


def test_an_outcome_in_the_spool_goes_with_its_row_in_the_database(
    settings: Settings, slot: Path
) -> None:
    done = erase(settings, Subject(ids=frozenset({name_of(5)})))
    assert (done.rows, done.outcomes) == (1, 1)


def test_a_spool_that_a_service_holds_is_not_touched(settings: Settings, slot: Path) -> None:
    spool = open_spool(settings.spool_dir, BUDGET)
    assert spool.slot == slot
    before = next(slot.glob("*.spool")).read_bytes()
    done = erase(settings)
    assert (done.rows, done.held) == (0, ["0"])
    assert next(slot.glob("*.spool")).read_bytes() == before
    spool.close()


def test_the_quarantine_is_erased_from_under_a_service_too(settings: Settings, slot: Path) -> None:
    spool = open_spool(settings.spool_dir, BUDGET)
    parts = [Batch(NOW, [row(i, who)]) for i, who in enumerate([WHO, "other"])]  # type: ignore[list-item]
    refused = [encode(part) + b" DataError: a value is out of range" for part in parts]
    spool.quarantine("1-0.refused", b"\n".join(refused))
    spool.quarantine("1-9.refused", refused[0])
    spool.quarantine("2-0.damaged", b"\xff\xfePS half a record of " + WHO.encode())
    spool.quarantine("3-0.damaged", b"\xff\xfePS half a record of customer-47110")

    done = erase(settings)
    spool.close()

    assert done.quarantined == 3
    left = {path.name[9:]: path.read_bytes() for path in slot.glob("quarantine/*")}
    assert left.keys() == {"1-0.refused", "3-0.damaged"}
    assert left["1-0.refused"] == refused[1]


def test_damage_that_shows_the_subject_is_blanked(settings: Settings, slot: Path) -> None:
    (segment,) = slot.glob("*.spool")
    content = bytearray(segment.read_bytes())
    content[content.index(b"hour")] ^= 1  # in the first record, which has the subject
    segment.write_bytes(content)

    erase(settings)

    assert not SUBJECT.text_pattern().search(segment.read_bytes())
    assert segment.stat().st_size == len(content)
    assert len(waiting(settings.spool_dir)) == 2


def test_what_a_killed_erasure_left_half_written_is_thrown_away(
    settings: Settings, slot: Path
) -> None:
    (slot / "000000000001.spool.erasing").write_text(WHO)
    erase(settings)
    assert not list(slot.glob("*.erasing"))
    assert len(waiting(settings.spool_dir)) == 3


def test_no_spool_is_nothing_to_erase(settings: Settings) -> None:
    assert erase(settings) == Erased()
    assert not settings.spool_dir.exists()


def test_the_command_reads_and_writes_json(settings: Settings, slot: Path) -> None:
    def command(given: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "service.forget"], input=given, text=True,
            capture_output=True, env=environment(settings),
        )  # fmt: skip

    asked = {"column": "customer", "value": WHO, "ids": [], "dry_run": False}
    answer = json.loads(command(json.dumps(asked)).stdout)
    assert (answer["rows"], answer["ids"]) == (3, [name_of(1), name_of(3), name_of(4)])
    assert set(answer) == set(asdict(Erased()))
    refused = command("{}")
    assert refused.returncode == 1 and "column" in refused.stderr

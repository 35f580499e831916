"""The audit log's chain: what was changed, removed or slipped in is found."""

import pytest
from sqlalchemy import Engine

from contracts.audit import Act, record, record_all, verify
from contracts.database import write_transaction
from tests.conftest import NOW


@pytest.fixture
def written(engine: Engine) -> Engine:
    acts = [Act(NOW, "nobody", "refused", f"GET /{i}", {"reason": "x"}) for i in range(3)]
    with write_transaction(engine) as connection:
        record(connection, actor="a", action="b", subject="c" * 300, detail={}, now=NOW)
        record_all(connection, acts)
    return engine


def _problems(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return verify(connection)


def test_one_at_a_time_or_many_make_one_chain(written: Engine) -> None:
    assert _problems(written) == []
    with written.connect() as connection:
        head = connection.exec_driver_sql("SELECT entries FROM audit_head").scalar_one()
    assert head == 4


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE audit_log SET subject = 'x' WHERE entry_id = 2", "entry 2 was changed"),
        ("UPDATE audit_log SET at = '2020-01-01 00:00:00' WHERE entry_id = 2", "was changed"),
        ("DELETE FROM audit_log WHERE entry_id = 2", "entry 3 does not follow"),
        ("DELETE FROM audit_log WHERE entry_id = 4", "ends after 3 entries, the head says 4"),
        ("DELETE FROM audit_log", "ends after 0 entries"),
        ("INSERT INTO audit_log SELECT 9, at, actor, action, subject, detail, previous_hash, hash "
         "FROM audit_log WHERE entry_id = 4", "entry 9 does not follow"),
    ],
)  # fmt: skip
def test_damage_is_found(written: Engine, damage: str, told: str) -> None:
    with write_transaction(written) as connection:
        connection.exec_driver_sql(damage)
    assert told in "; ".join(_problems(written))

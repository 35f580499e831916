"""Rules for traffic: what is refused, who falls into which arm, and when a rule ends."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select

from contracts.audit import verify
from contracts.database import write_transaction
from contracts.registry import promote, register, roll_back
from contracts.settings import Settings
from contracts.tables import audit_log
from contracts.traffic import (
    RefusedRuleError,
    Rule,
    arm_of,
    complete,
    current_traffic,
    difference,
    entity_key,
)
from contracts.traffic_rules import change_traffic, check_traffic
from tests.bundles import make_bundle, make_schema
from tests.conftest import NOW, make_champion

CANARY = Rule("canary", "v", 0.2)


@contextmanager
def acting(engine: Engine) -> Iterator[tuple[Connection, dict]]:
    with write_transaction(engine) as connection:
        yield connection, {"actor": "a test", "reason": "to try", "now": NOW}


def put(engine: Engine, bundles: Path, rule: Rule) -> None:
    with acting(engine) as (connection, why):
        change_traffic(connection, check_traffic(connection, bundles, rule), **why)


def mode(engine: Engine) -> str | None:
    with engine.connect() as connection:
        traffic = current_traffic(connection)
    return traffic.rule.mode if traffic else None


@given(st.text(), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_larger_share_keeps_whoever_is_in_the_arm(key: str, one: float, two: float) -> None:
    small, large = (Rule("canary", "v", share) for share in sorted((one, two)))
    assert not (arm_of(small, key) == "other" and arm_of(large, key) == "champion")


def test_an_arm_is_recomputed_with_nothing_but_sha_256() -> None:
    for number in range(200):
        digest = hashlib.sha256(f"v:id {number}".encode()).hexdigest()
        expected = "other" if int(digest[:16], 16) / 2**64 < 0.2 else "champion"
        assert arm_of(CANARY, f"id {number}") == expected


def test_another_version_draws_anew() -> None:
    keys = [f"{number}" for number in range(1000)]
    arms = [[arm_of(Rule("ab", v, 0.5), key) for key in keys] for v in ("one", "two")]
    assert 400 < sum(a == b for a, b in zip(*arms, strict=True)) < 600


@pytest.mark.parametrize(
    ("value", "key"),
    [(17, "17.0"), (17.0, "17.0"), (True, "true"), ("é", '"\\u00e9"'), (None, "null")],
)
def test_an_entity_has_one_key_however_it_is_written(value: object, key: str) -> None:
    assert entity_key(json.dumps({"a": value}), "a") == key


def test_an_absent_entity_is_a_missing_one() -> None:
    assert entity_key("{}", "a") == "null"


@pytest.mark.parametrize(
    "rule",
    [
        Rule("champion", "v"),
        Rule("canary", "v"),
        Rule("canary", None, 0.1),
        Rule("canary", "v", 0.0),
        Rule("canary", "v", 1.0),
        Rule("ab", "v", float("nan")),
        Rule("shadow", "v", 1.1),
    ],
    ids=str,
)
def test_what_is_no_rule_is_refused(rule: Rule) -> None:
    with pytest.raises(RefusedRuleError):
        complete(rule)


def test_versions_that_ask_for_other_features_differ() -> None:
    schema = make_schema()
    kinds = replace(schema.features[0], kind="numeric")
    assert difference(schema, schema) is None
    for other, why in (
        (replace(schema, features=(kinds, *schema.features[1:])), "hour"),
        (replace(schema, features=schema.features[1:]), "hour"),
        (replace(schema, features=schema.features[::-1]), "order"),
        (make_schema(classes=(1, 0)), "target"),
    ):
        assert why in (difference(schema, other) or "")


def test_a_rule_that_cannot_hold_is_refused_with_the_remedy(
    engine: Engine, settings: Settings, registered: tuple[str, str], tmp_path: Path
) -> None:
    a, b = registered
    for champion, rule, why in (
        (None, Rule("ab", b), "promote one first"),
        (a, Rule("ab", a), "champion already"),
        (a, Rule("ab", b, entity="age"), "choose one of hour, temp"),
    ):
        if champion:
            make_champion(engine, champion)
        with pytest.raises(RefusedRuleError, match=why):
            put(engine, settings.bundles_dir, rule)
    version = make_bundle(tmp_path / "other", name="early")
    register(engine, settings.bundles_dir, tmp_path / "other", NOW, {})
    with pytest.raises(RefusedRuleError, match="target differs"):
        put(engine, settings.bundles_dir, Rule("ab", version))
    assert mode(engine) is None


def test_a_rule_checked_against_another_champion_is_refused(
    engine: Engine, settings: Settings, registered: tuple[str, str], champion: str
) -> None:
    with engine.connect() as connection:
        checked = check_traffic(connection, settings.bundles_dir, Rule("ab", registered[1]))
    make_champion(engine, registered[1])
    with pytest.raises(RefusedRuleError, match="just changed"), acting(engine) as (one, why):
        change_traffic(one, checked, **why)


@pytest.mark.parametrize("act", ["promote", "roll back", "kill switch"])
def test_a_rule_ends_with_its_champion_or_by_one_call(
    engine: Engine, settings: Settings, registered: tuple[str, str], act: str
) -> None:
    a, b = registered
    for version in (b, a):
        make_champion(engine, version)
    put(engine, settings.bundles_dir, Rule("canary", b, 0.1))
    assert mode(engine) == "canary"
    if act == "kill switch":
        put(engine, settings.bundles_dir, Rule())
    else:
        with acting(engine) as (connection, why):
            promote(connection, b, **why) if act == "promote" else roll_back(connection, **why)
    assert mode(engine) == "champion"


def test_every_change_is_audited_once(
    engine: Engine, settings: Settings, registered: tuple[str, str], champion: str
) -> None:
    put(engine, settings.bundles_dir, Rule("shadow", registered[1]))
    with acting(engine) as (connection, why):
        promote(connection, registered[1], **why)
    with acting(engine) as (connection, why):
        roll_back(connection, **why)
    with engine.connect() as connection:
        rows = list(connection.execute(select(audit_log).order_by(audit_log.c.entry_id)))
        assert verify(connection) == []
    assert [row.action for row in rows] == ["promote", "traffic", "promote", "rollback"]
    assert json.loads(rows[1].detail)["share"] == 1.0

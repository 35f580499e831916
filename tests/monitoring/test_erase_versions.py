"""Versions that learned from a subject are told, and a clean retrain is owed."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from contracts.bundle import load_bundle, save_bundle
from contracts.database import write_transaction
from contracts.registry import register
from contracts.settings import Settings
from contracts.tables import retrains
from monitoring import leases
from monitoring.attempts import LEASE
from monitoring.erasure import wanted_retrain
from tests.monitoring.erasing import NOW, WHO, count, engine, entries, run, settings

__all__ = ["engine", "settings"]


def test_a_version_made_after_an_outcome_was_known_may_have_learned_from_it(
    engine: Engine, settings: Settings
) -> None:
    facts = {"trained_from": "2020-01-01T00:00:00+00:00", "trained_until": NOW.isoformat()}
    directory = settings.bundles_dir.parent / "later"
    save_bundle(directory, load_bundle(next(settings.bundles_dir.iterdir())).files, facts)
    later = register(engine, settings.bundles_dir, directory, NOW, {})
    early = register(engine, settings.bundles_dir, _twin(directory), NOW - timedelta(days=800), {})

    found, _ = run(engine, settings)

    assert later in found.learned and early not in found.learned
    assert '"retrain": true' in entries(engine)[-2]
    with engine.connect() as connection:
        assert "erasure" in str(wanted_retrain(connection))


def _twin(directory: Path) -> Path:
    """The same bundle under another version."""
    bundle = load_bundle(directory)
    facts = {name: bundle.manifest[name] for name in ("trained_from", "trained_until")}
    save_bundle(directory.with_name("twin"), bundle.files, {**facts, "twin": True})
    return directory.with_name("twin")


def test_the_next_check_owes_a_clean_retrain_until_one_has_ended(
    engine: Engine, settings: Settings
) -> None:
    def owed() -> bool:
        with engine.connect() as connection:
            return wanted_retrain(connection) is not None

    def retrained(state: str, after: timedelta) -> None:
        row = {"retrain_id": f"{state}{after}"[:36], "started_at": NOW + after, "state": state,
               "reason": "", "champion_version": "v", "verdict": "{}"}  # fmt: skip
        with write_transaction(engine) as connection:
            connection.execute(insert(retrains), row)

    assert not owed()
    table = settings.project_dir / "data" / "table"
    table.mkdir(parents=True)
    (table / "rows.csv").write_text(f"customer,hour\n{WHO},3\n")
    run(engine, settings)
    assert owed()
    retrained("promoted", -timedelta(hours=1))
    retrained("failed", timedelta(hours=1))
    assert owed()
    retrained("rejected", timedelta(hours=2))
    assert not owed()


def test_nothing_is_erased_under_a_running_retrain(engine: Engine, settings: Settings) -> None:
    with write_transaction(engine) as connection:
        leases.take(connection, LEASE, "somebody", leases.utc_now(), leases.LENGTH)
    with pytest.raises(leases.LeaseTakenError):
        run(engine, settings)
    assert count(engine)[0] == 400

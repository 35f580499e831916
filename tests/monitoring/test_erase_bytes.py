"""No byte of an erased subject is left in the database's files."""

from pathlib import Path

from sqlalchemy import Engine

from contracts.database import checkpoint, write_transaction
from contracts.settings import Settings
from contracts.tables import predictions
from monitoring.scrub import files_with
from tests.monitoring.erasing import SUBJECT, WHO, engine, name_of, run, settings

__all__ = ["engine", "settings"]


def test_no_byte_of_the_subject_is_left_in_the_database(engine: Engine, settings: Settings) -> None:
    assert files_with(engine, SUBJECT)  # or this would prove nothing
    _, done = run(engine, settings)

    engine.dispose()
    for path in Path(settings.database_url.removeprefix("sqlite:///")).parent.glob("perennial.db*"):
        assert not SUBJECT.text_pattern().search(path.read_bytes()), path
        assert name_of(0).encode() not in path.read_bytes()
    assert done.remarks == []


def test_older_copies_that_pages_kept_are_found_and_written_over(
    engine: Engine, settings: Settings
) -> None:
    """As by another program that deleted without zeros."""
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA secure_delete=OFF").fetchall()
        cursor.execute(f"DELETE FROM predictions WHERE prediction_id = '{name_of(20)}'")
        cursor.execute("PRAGMA secure_delete=ON").fetchall()
    with write_transaction(engine) as connection:  # the zeros find the others, but not this one
        connection.execute(predictions.delete().where(predictions.c.features.contains(WHO + '"')))
    checkpoint(engine, truncate=True)
    assert files_with(engine, SUBJECT)

    run(engine, settings)
    assert not files_with(engine, SUBJECT)

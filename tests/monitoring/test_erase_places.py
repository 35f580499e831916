"""Pages and working copies that show a subject go; what others own is told."""

import pandas as pd
from sqlalchemy import Engine, insert, select

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import checks
from monitoring.plain_text import plain
from monitoring.whereabouts import look_for
from tests.monitoring.erasing import NOBODY, NOW, WHO, engine, run, settings

__all__ = ["engine", "settings"]


def test_pages_that_show_them_in_look_alikes_are_found(engine: Engine, settings: Settings) -> None:
    settings.reports_dir.mkdir()
    odd = Subject("customer", "O'Neill & <sons>")
    (settings.reports_dir / "a.html").write_text(f'<script>x = ["{plain(odd.value)}"]</script>')

    assert [path.name for path in look_for(engine, settings, odd).pages] == ["a.html"]


def test_pages_and_working_files_that_show_them_go(engine: Engine, settings: Settings) -> None:
    settings.reports_dir.mkdir()
    (settings.reports_dir / "a.html").write_text(f'<script>x = ["{WHO}"]</script>')
    (settings.reports_dir / "b.html").write_text(f"<p>{NOBODY}</p>")
    copy = settings.work_dir / "some-retrain" / "data" / "outcomes"
    copy.mkdir(parents=True)
    pd.DataFrame({"customer": [WHO, "other"]}).to_parquet(copy / "theirs.parquet")
    pd.DataFrame({"customer": ["other"]}).to_parquet(copy / "others.parquet")
    with write_transaction(engine) as connection:
        check = {"check_id": "c", "checked_at": NOW, "window_from": NOW, "window_to": NOW,
                 "model_version": "v", "rows": 1, "outcomes": 0, "decision": "keep",
                 "reason": "", "findings": "{}", "report": "a.html"}  # fmt: skip
        connection.execute(insert(checks), check)

    _, done = run(engine, settings)

    assert [path.name for path in settings.reports_dir.iterdir()] == ["b.html"]
    assert [path.name for path in copy.iterdir()] == ["others.parquet"]
    assert (done.reports, done.working_files) == (1, 1)
    with engine.connect() as connection:
        assert connection.execute(select(checks.c.report)).scalar_one() is None


def test_what_dvc_keeps_is_told_and_left(engine: Engine, settings: Settings) -> None:
    cache = settings.project_dir / ".dvc" / "cache" / "files" / "md5" / "ab"
    table = settings.project_dir / "data" / "table"
    for directory in (cache, table):
        directory.mkdir(parents=True)
    pd.DataFrame({"customer": [WHO]}).to_parquet(cache / "cdef")
    (table / "rows.csv").write_text(f"customer,hour\n{WHO},3\n")

    found, _ = run(engine, settings)

    assert [path.name for path in found.tracked] == ["rows.csv", "cdef"]
    assert (cache / "cdef").exists() and (table / "rows.csv").exists()
    assert found.learned  # every version may have, from the table

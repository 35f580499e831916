"""The site of docs/ is whole: links lead somewhere, nothing is fetched, all is explained."""

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.params import Params
from contracts.replay_params import Replay
from deploy.site.commands import commands_page, help_of
from deploy.site.links import problems
from deploy.site.markdown import UndocumentedError
from deploy.site.outside import bring_inside
from deploy.site.params import params_page
from deploy.site.settings import settings_page

ROOT = Path(__file__).parents[2]


def site(directory: Path, body: str) -> Path:
    (directory / "b").mkdir()
    (directory / "b" / "index.html").write_text('<h1 id="here">b</h1>')
    (directory / "index.html").write_text(body)
    return directory


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<a href="c/">c</a>', "c/ leads nowhere"),
        ('<a href="b/#there">b</a>', "b/#there: no such place on the page"),
        ('<a href="../../etc/hosts">x</a>', "../../etc/hosts leads nowhere"),
        ('<script src="//cdn.example/a.js"></script>', "fetches //cdn.example/a.js"),
        ('<link rel="stylesheet" href="https://fonts.example/f">', "fetches https://fonts.example"),
        ('<img src="gone.png">', "gone.png leads nowhere"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(tmp_path: Path, body: str, told: str) -> None:
    (found,) = problems(site(tmp_path, body))
    assert found.startswith("index.html: ") and told in found


def test_a_whole_site_has_no_problem(tmp_path: Path) -> None:
    body = (
        '<a href="b/#here">b</a><a href="https://example.org">away</a><link rel="next" href="b/">'
    )
    assert list(problems(site(tmp_path, body))) == []


def test_a_link_out_of_the_docs_leads_to_the_page_made_of_it() -> None:
    text = "[params](../params.yaml) and `[code](../params.yaml)`"
    assert "[params](reference/params.md)" in bring_inside(text, "docs/a.md", "a.md", ROOT)


def test_a_setting_without_a_meaning_is_refused() -> None:
    class Settings(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="perennial_")
        secret_knob: int = 3

    with pytest.raises(UndocumentedError, match="secret_knob"):
        settings_page(Settings)


def test_words_for_a_key_that_is_gone_are_refused() -> None:
    shipped = (ROOT / "params.yaml").read_text()
    words = {"data.gone": "what it was"}
    with pytest.raises(UndocumentedError):
        params_page(Params, Replay, shipped, words, ROOT)


def test_a_module_that_would_do_its_work_when_asked_for_help_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "busy.py"
    path.write_text('"""Busy."""\nif __name__ == "__main__":\n    print("done")\n')
    with pytest.raises(UndocumentedError, match="no --help"):
        help_of("busy", path)


def test_every_command_tells_how_it_is_used() -> None:
    page = commands_page(ROOT)
    assert "usage: python -m monitoring.check" in page
    assert "usage: python -m deploy.report" in page

"""`make drill`: all links hold; whichever is cut, the drill fails and names exactly that one."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.params import load_params
from deploy.drill.cuts import CUTS
from deploy.drill.links import LINKS
from deploy.drill.place import SMALL, lay_over
from tests.end_to_end.conftest import ROOT, environment

AT_ONCE = 2  # drills; most of their time is waiting
SECONDS = 3000
_NAMED = "test_a_cut_link_is_named"
FIRST = ("alert", "gate")  # cuts; the others are long


@dataclass(frozen=True)
class Drill:
    """What one drill has said."""

    code: int
    printed: str
    report: dict[str, Any]


def _drill(home: Path, cache: Path, *arguments: str) -> Drill:
    run = subprocess.run(
        [sys.executable, "-m", "deploy.drill", "--home", str(home), "--cache", str(cache),
         *arguments],
        cwd=ROOT, env=environment(), timeout=SECONDS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    printed = run.stdout + run.stderr
    assert (home / "report.json").exists(), printed
    return Drill(run.returncode, printed, json.loads((home / "report.json").read_text()))


def test_each_link_has_its_cut() -> None:
    assert list(CUTS) == list(LINKS)


@pytest.mark.parametrize("name", CUTS)
def test_a_cut_leaves_parameters_that_can_be_used(name: str, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", params)
    lay_over(params, SMALL, CUTS[name].params)

    assert load_params(params).data.until.isoformat() == "2013-02-01"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drill")


@pytest.fixture(scope="module")
def whole(directory: Path) -> Drill:
    """Nothing is cut; what it trains is trained once for all drills here."""
    return _drill(directory / "whole", directory / "cache")


@pytest.fixture(scope="module")
def cut(
    directory: Path, whole: Drill, request: pytest.FixtureRequest
) -> Iterator[dict[str, "Future[Drill]"]]:
    """Drills with a link cut, of the cuts that are asked for in this run."""
    named = (item for item in request.session.items if item.originalname == _NAMED)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(_drill, directory / name, directory / "cache", "--cut", name)
            for name in dict.fromkeys(item.callspec.params["name"] for item in named)
        }


@pytest.mark.slow
def test_every_link_does_its_part(directory: Path, whole: Drill) -> None:
    assert whole.code == 0, whole.printed
    assert whole.report["ok"]
    assert [each["name"] for each in whole.report["links"]] == list(LINKS)
    assert {each["state"] for each in whole.report["links"]} == {"ok"}
    assert "every link has done its part" in (directory / "whole" / "report.html").read_text()
    assert not (directory / "whole" / "project").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name if name in FIRST else pytest.param(name, marks=pytest.mark.long) for name in CUTS]
)
def test_a_cut_link_is_named(name: str, cut: dict[str, "Future[Drill]"]) -> None:
    found = cut[name].result()

    assert found.code == 1, found.printed
    states = {each["name"]: each["state"] for each in found.report["links"]}
    assert [each for each, state in states.items() if state == "broken"] == [name], found.printed
    before = list(LINKS)[: list(LINKS).index(name)]
    assert all(states[each] == "ok" for each in before)
    assert f"the link {name!r} is broken" in found.printed

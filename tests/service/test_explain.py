import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from starlette.testclient import TestClient

from contracts.bundle import Bundle
from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import predictions
from service.answer.explain import (
    Explainer,
    ExplainerBusyError,
    ExplainerDiedError,
    VersionGoneError,
)
from service.app import create_app
from tests.conftest import NOW
from tests.service.servers import wait_for
from tests.task_bundles import make_task_bundle

ROW: dict[str, Any] = {
    "index": 9, 'a "quoted", name': 2.5, "größe ☃.x": None, "class": True, "probability": "red",
    "values": "never seen", "seen at": "2013-02-03T04:05:06+00:00",
}  # fmt: skip
PATIENCE_SECONDS = 300.0  # the child starts in eight seconds where nobody else needs the cores
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundle_and_place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    directory = tmp_path_factory.mktemp("bundles")
    bundle = make_task_bundle(directory / "made", "binary")
    (directory / "made").rename(directory / bundle.version)
    return bundle, directory


@pytest.fixture
def api(
    settings: Settings, engine: Engine, bundle_and_place: tuple[Bundle, Path]
) -> Iterator[TestClient]:
    """The service without a champion, and predictions `one`, by the bundle, and `old`, by none."""
    bundle, directory = bundle_and_place
    for prediction_id, version in (("one", bundle.version), ("old", "000000000000")):
        log_prediction(engine, prediction_id, version)
    with TestClient(create_app(settings.model_copy(update={"bundles_dir": directory}))) as client:
        yield client


def log_prediction(engine: Engine, prediction_id: str, version: str) -> None:
    row = {
        "prediction_id": prediction_id, "predicted_at": NOW, "event_time": NOW,
        "model_version": version, "features": json.dumps(ROW), "prediction": '"yes"',
        "probability": 0.75,
    }  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(predictions).values(row))


@pytest.fixture
def explainer(bundle_and_place: tuple[Bundle, Path]) -> Iterator[Explainer]:
    explainer = Explainer(bundle_and_place[1], seconds=PATIENCE_SECONDS)
    yield explainer
    explainer.stop()


def row_by(version: str) -> dict[str, Any]:
    return {"prediction_id": "one", "model_version": version, "features": ROW, "prediction": "yes"}


def child_of(explainer: Explainer) -> int:
    wait_for(lambda: explainer._child is not None and explainer._child.pid)
    assert explainer._child is not None and explainer._child.pid is not None
    return explainer._child.pid


@pytest.mark.slow
def test_answered_row_is_explained_by_the_version_that_answered(
    api: TestClient, bundle_and_place: tuple[Bundle, Path]
) -> None:
    responses = iter(partial(api.get, "/predictions/one/explanation"), None)
    response = next(one for one in responses if one.status_code != 503)  # it may still be starting
    found = response.json()

    assert response.status_code == 200
    assert found["prediction_id"] == "one"
    assert found["model_version"] == bundle_and_place[0].version
    assert found["prediction"] == "yes"
    assert {each["name"]: each["value"] for each in found["features"]} == ROW
    total = found["base_value"] + sum(each["contribution"] for each in found["features"])
    assert total == pytest.approx(found["value"], abs=1e-4)
    assert api.get("/predictions/one/explanation").json() == found


def test_unknown_prediction_is_404(api: TestClient) -> None:
    response = api.get("/predictions/none/explanation")

    assert response.status_code == 404
    assert response.json() == {"detail": "no prediction has the id 'none'"}


def test_version_whose_bundle_is_gone_is_410(api: TestClient) -> None:
    response = api.get("/predictions/old/explanation")

    assert response.status_code == 410
    assert "000000000000" in response.json()["detail"]


def test_absent_packages_are_501_with_the_remedy(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_spec(name: str) -> ModuleSpec | None:
        return None if name == "shap" else ModuleSpec(name, None)

    monkeypatch.setattr("service.answer.explain.find_spec", find_spec)
    response = api.get("/predictions/one/explanation")

    assert response.status_code == 501
    assert "shap" in response.json()["detail"]
    assert "requirements/explain.txt" in response.json()["detail"]


def test_service_itself_never_imports_what_explains() -> None:
    code = (
        "import sys, service.app, service.answer.explain;"
        "print(sorted({'shap', 'numba', 'pandas', 'sklearn', 'pyarrow'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert run.stdout == "[]\n"


def test_no_process_starts_before_the_first_question(
    settings: Settings, explainer: Explainer
) -> None:
    assert explainer._child is None


@pytest.mark.slow
def test_child_is_reused_replaced_when_it_died_and_ended_by_stop(
    explainer: Explainer, bundle_and_place: tuple[Bundle, Path]
) -> None:
    row = row_by(bundle_and_place[0].version)
    expected = explainer.explain(row)
    first = child_of(explainer)
    explainer.explain(row)
    assert child_of(explainer) == first

    os.kill(first, signal.SIGKILL)
    wait_for(lambda: explainer._child is not None and not explainer._child.is_alive())
    assert explainer.explain(row) == expected
    second = child_of(explainer)
    assert second != first

    explainer.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


@pytest.mark.slow
def test_more_questions_than_places_are_refused_at_once(
    bundle_and_place: tuple[Bundle, Path],
) -> None:
    explainer = Explainer(bundle_and_place[1], waiting=1, seconds=PATIENCE_SECONDS)
    row = row_by(bundle_and_place[0].version)
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(explainer.explain(row))
        except ExplainerBusyError as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    explainer.stop()

    assert sum(isinstance(each, dict) for each in found) == 2
    assert sum(isinstance(each, ExplainerBusyError) for each in found) == 3


@pytest.mark.slow
def test_child_may_take_long_to_start_but_not_to_answer(
    bundle_and_place: tuple[Bundle, Path],
) -> None:
    explainer = Explainer(bundle_and_place[1], seconds=0.01)
    row = row_by(bundle_and_place[0].version)
    with pytest.raises(ExplainerBusyError, match=r"within 0\.01 s"):
        explainer.explain(row)
    starting = child_of(explainer)
    assert explainer._pipe is not None
    assert explainer._pipe.poll(PATIENCE_SECONDS)  # it is ready
    with pytest.raises(ExplainerBusyError, match=r"within 0\.01 s"):  # and has a bundle to load
        explainer.explain(row)

    assert explainer._child is None
    with pytest.raises(ProcessLookupError):
        os.kill(starting, 0)


def test_child_that_dies_over_a_question_is_told(
    explainer: Explainer, bundle_and_place: tuple[Bundle, Path]
) -> None:
    def kill() -> None:
        os.kill(child_of(explainer), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ExplainerDiedError, match="log"):
        explainer.explain(row_by(bundle_and_place[0].version))
    killer.join()


@pytest.mark.slow
def test_damaged_bundle_is_410_and_the_child_lives_on(
    tmp_path: Path, bundle_and_place: tuple[Bundle, Path]
) -> None:
    good = bundle_and_place[0].version
    for name in (good, "damaged"):
        shutil.copytree(bundle_and_place[1] / good, tmp_path / name)
    (tmp_path / "damaged" / "model.onnx").write_bytes(b"something else")
    explainer = Explainer(tmp_path, seconds=PATIENCE_SECONDS)
    with pytest.raises(VersionGoneError, match="damaged"):
        explainer.explain(row_by("damaged"))
    child = child_of(explainer)

    assert explainer.explain(row_by(good))["model_version"] == good
    assert child_of(explainer) == child
    explainer.stop()


def test_api_describes_how_an_explanation_can_fail(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    responses = paths["/predictions/{prediction_id}/explanation"]["get"]["responses"]

    assert {"200", "404", "410", "501", "503"} <= set(responses)


def test_errors_ask_to_retry_only_where_that_helps(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ExplainerBusyError("too many")

    monkeypatch.setattr(Explainer, "explain", refuse)
    response = api.get("/predictions/one/explanation")

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"

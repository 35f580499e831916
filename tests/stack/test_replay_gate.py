"""The replay gate on real images: one against itself, and against faults built into patched layers.

Where no container engine can be started these tests are skipped, and say so.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from contracts.bundle import load_bundle
from contracts.schema import FeatureSchema
from deploy.replaying.container import running
from deploy.replaying.rows import write_snapshot
from deploy.snapshot import table_records
from tests.bundles import make_bundle, make_rows, make_schema
from tests.stack.stand_ins import docker

pytestmark = pytest.mark.slow
RELEASE, CHAMPION = "perennial/service:latest", "replay-gate-test/champion"
ROWS, NEW = 600, 431
PREDICTOR = Path("service/answer/predictor.py")
# The last line before the model is asked, and what a fault puts after it.
BEFORE = "        texts = np.array(text, object).reshape(len(text), self._text_columns)\n"
FAULTS = {
    "column-swap": "        numbers[:, [0, 1]] = numbers[:, [1, 0]]\n",
    "float16": "        numbers = numbers.astype(np.float16).astype(np.float32)\n",
    "new-category-error": '        [("AA", "DL", "UA").index(x) for x in texts[:, 0]]\n',
    "new-category-exit": '        if "ZZ" in texts[:, 0]:\n            __import__("os")._exit(3)\n',
}
DOCKERFILE = """FROM {base}
USER root
RUN rm -rf /app/build/bundle
COPY bundle /app/build/bundle
COPY predictor.py /app/service/answer/predictor.py
RUN chmod -R a+rX /app/build /app/service/answer
USER 10001:10001
"""
# The machine of a test is busy, and times are judged in tests/deploy.
PARAMS = """replay:
  latency: {requests: 50, p50: {ratio: 50, least_ms: 1000}, p99: {ratio: 50, least_ms: 5000}}
"""


@dataclass(frozen=True)
class Ended:
    """A run of the gate."""

    code: int
    verdict: dict[str, Any]
    printed: str

    @property
    def failed(self) -> set[str]:
        return {check["name"] for check in self.verdict["checks"] if check["passed"] is False}


Gate = Callable[..., Ended]


@pytest.fixture(scope="module")
def place(service: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows and limits; the engine has the image of a champion with a small model."""
    work = tmp_path_factory.mktemp("replay")
    make_bundle(work / "bundle")
    make_image(work, CHAMPION)
    write_rows(work / "rows.parquet")
    (work / "params.yaml").write_text(PARAMS)
    return work


def make_image(work: Path, name: str, *, bundle: str = "bundle", after: str = "") -> str:
    """The release's image with another bundle, and with lines after BEFORE in its predictor."""
    context = work / "contexts" / name
    shutil.copytree(work / bundle, context / "bundle")
    source = PREDICTOR.read_text()
    assert source.count(BEFORE) == 1, "the predictor has changed: put the faults elsewhere"
    (context / "predictor.py").write_text(source.replace(BEFORE, BEFORE + after))
    (context / "Dockerfile").write_text(DOCKERFILE.format(base=RELEASE))
    docker("build", "--quiet", "--tag", name, str(context))
    return name


def rows_with_a_new_category() -> pd.DataFrame:
    frame = make_rows(7, ROWS)
    frame.loc[NEW, "carrier"] = "ZZ"
    return frame


def write_rows(path: Path) -> None:
    write_snapshot(path, table_records(rows_with_a_new_category(), make_schema(), ROWS))


@pytest.fixture
def gate(place: Path, tmp_path: Path) -> Gate:
    """`python -m deploy.replay_gate` against the champion."""

    def run(candidate: str, champion: str = CHAMPION, rows: Path | None = None) -> Ended:
        out = tmp_path / "verdict.json"
        done = subprocess.run(
            [sys.executable, "-m", "deploy.replay_gate", f"--champion={champion}",
             f"--candidate={candidate}", f"--rows={rows or place / 'rows.parquet'}",
             f"--params={place / 'params.yaml'}", f"--out={out}"],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert out.exists(), done.stderr
        assert out.with_suffix(".md").exists()
        return Ended(done.returncode, json.loads(out.read_text()), done.stdout)

    return run


def test_the_release_beside_itself_flips_nothing_and_passes(gate: Gate, tmp_path: Path) -> None:
    schema = FeatureSchema.from_json(Path("build/bundle/schema.json").read_bytes())
    frame = pd.read_parquet("build/holdout.parquet")
    sha256 = write_snapshot(tmp_path / "rows.parquet", table_records(frame, schema, 2000))
    ended = gate(RELEASE, RELEASE, tmp_path / "rows.parquet")

    assert ended.code == 0, ended.printed
    assert "0 of 2000, 0.00%" in ended.printed
    assert (ended.verdict["snapshot"], ended.verdict["same_model"]) == (sha256, True)
    assert ended.verdict["worst"] == []


@pytest.mark.parametrize("fault", ["column-swap", "float16"])
def test_a_fault_of_serving_fails_and_names_the_row_that_moves_most(
    gate: Gate, place: Path, fault: str
) -> None:
    ended = gate(make_image(place, f"replay-gate-test/{fault}", after=FAULTS[fault]))

    assert ended.code == 1, ended.printed
    assert "image against its own bundle" in ended.failed
    assert ended.verdict["worst"][0]["row"] == worst_row(place, fault)


def worst_row(place: Path, fault: str) -> int:
    """By the model itself: the row whose score the fault moves most."""
    model, frame = load_bundle(place / "bundle").model(), rows_with_a_new_category()
    numbers, texts = make_schema().to_matrices(frame)
    if fault == "column-swap":
        changed = numbers[:, [1, 0, 2]]
    else:
        changed = numbers.astype(np.float16).astype(np.float32)
    moved = model.answers(changed, texts) - model.answers(numbers, texts)
    return int(np.abs(moved[:, 1]).argmax())


def test_a_model_without_its_scaler_fails_and_names_the_row_that_moves_most(
    gate: Gate, place: Path
) -> None:
    model = onnx.load_from_string(load_bundle(place / "bundle").files["model.onnx"])
    [scaler] = [node for node in model.graph.node if node.op_type == "Scaler"]
    for attribute in scaler.attribute:
        identity = 0.0 if attribute.name == "offset" else 1.0
        attribute.floats[:] = [identity] * len(attribute.floats)
    make_bundle(place / "unscaled", onnx=model.SerializeToString())
    ended = gate(make_image(place, "replay-gate-test/unscaled", bundle="unscaled"))

    columns = {name: values.to_numpy() for name, values in rows_with_a_new_category().items()}
    before, after = (
        load_bundle(place / name).model().answers_of(columns)[:, 1]
        for name in ("bundle", "unscaled")
    )
    assert ended.code == 1, ended.printed
    assert "flipped decisions" in ended.failed
    assert not ended.verdict["same_model"]
    moved = np.abs(after - before)
    assert moved[ended.verdict["worst"][0]["row"]] == pytest.approx(moved.max(), abs=1e-6)


@pytest.mark.parametrize("fault", ["new-category-error", "new-category-exit"])
def test_a_crash_at_a_new_category_fails_and_names_its_row(
    gate: Gate, place: Path, fault: str
) -> None:
    ended = gate(make_image(place, f"replay-gate-test/{fault}", after=FAULTS[fault]))

    assert ended.code == 1, ended.printed
    assert ended.failed == {"rows that only the candidate fails"}
    [row] = ended.verdict["failed"]
    assert (row["row"], row["features"]["carrier"]) == (NEW, "ZZ")
    assert row["ended"] == (fault == "new-category-exit")
    assert ended.verdict["compared"] == ROWS - 1


def test_an_image_that_does_not_start_fails_with_its_last_words(gate: Gate, place: Path) -> None:
    name = make_image(place, "replay-gate-test/broken", after="        return(\n")
    ended = gate(name)

    assert ended.code == 1
    assert "does not start" in ended.verdict["error"]
    assert "SyntaxError" in ended.verdict["error"]


def test_replayed_containers_have_no_network_no_rights_and_end_with_the_gate(place: Path) -> None:
    with running(CHAMPION, "guarded", 60) as container:
        container.wait()
        status = docker("exec", container.name, "cat", "/proc/1/status")
        networks = docker("exec", container.name, "ls", "/sys/class/net").split()
        written = docker("exec", container.name, "touch", "/app/x", check=False)
        user = docker("exec", container.name, "id", "-u")
        name = container.name

    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert (networks, written, user) == (["lo"], "", "10001")
    assert name not in docker("ps", "--all", "--format", "{{.Names}}")

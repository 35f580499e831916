"""Nothing here tells strangers about a machine or its models."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MadeBundle

ANSWER = """
import sys
{first}
from pathlib import Path
import onnxruntime
onnxruntime.InferenceSession(Path(sys.argv[1]).read_bytes())
"""


@pytest.mark.parametrize("first", ["import contracts.onnx_model", "import service.app"])
def test_onnx_runtime_keeps_no_identity_and_sends_nothing(
    tmp_path: Path, first: str, bundle_a: MadeBundle
) -> None:
    model = bundle_a.directory / "model.onnx"
    subprocess.run(
        [sys.executable, "-c", ANSWER.format(first=first), str(model)],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=True, timeout=60,
    )  # fmt: skip

    assert not list(tmp_path.rglob("*"))  # where it tells, it keeps the machine's number there

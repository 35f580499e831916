"""Where benchmarks leave their figures: benchmarks/results/<target>.json.

Git ignores them but for bench-drift.json and replay.json, which the report draws.
"""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ["fastapi", "uvicorn", "onnxruntime", "sqlalchemy", "scikit-learn"]


def write_result(target: str, figures: Mapping[str, Any]) -> Path:
    """Write the figures together with what they were measured on."""
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{target}.json"
    path.write_text(json.dumps({**figures, "machine": machine}, indent=1) + "\n")
    return path

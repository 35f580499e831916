"""Exports bundles to one format and runs what docs/formats.md says on how to load it.

`python -m tests.pipeline.run_format FORMAT FILE DIRECTORY...` in an environment that has the
libraries. Each directory holds `bundle` and `rows.json`, and gets `FORMAT.npy`, the answers.
"""

import os
import re
import sys
from pathlib import Path

import numpy as np

from contracts.bundle import load_bundle
from pipeline.export import export

ROOT = Path(__file__).parent.parent.parent


def read_snippet(name: str) -> str:
    """The document's common lines and those under the format's heading."""
    sections = (ROOT / "docs" / "formats.md").read_text().split("\n## ")
    wanted = [s for s in sections if s.startswith(("What goes in", f"{name}\n"))]
    return "\n".join(re.findall(r"```python\n(.*?)```", "".join(wanted), re.DOTALL))


def main() -> None:
    name, file, *directories = sys.argv[1:]
    for directory in directories:
        os.chdir(directory)
        export(load_bundle(Path("bundle")), name, Path(file))
        scope: dict[str, object] = {}
        exec(compile(read_snippet(name), f"docs/formats.md: {name}", "exec"), scope)
        np.save(f"{name}.npy", np.asarray(scope["answers"], np.float64))


if __name__ == "__main__":
    main()

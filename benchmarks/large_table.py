"""Memory and time of each stage, from a large table to its bundle.

`make bench-large`. A table of 5 million rows and 20 columns, more than most teams have, is adopted
in a fresh clone and goes through `dvc repro`, stage by stage.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from tqdm import tqdm

from benchmarks.results import write_result
from benchmarks.score import Figures, measure
from benchmarks.score_table import GROUP_ROWS, make_answers, make_rows

SEED = 20260101
TOOLS = Path(sys.executable).parent


def write_labelled_table(path: Path, rows: int, rng: np.random.Generator) -> None:
    """A Parquet file of 20 features and their `answer`, made in groups, so that any size fits."""
    writer = None
    for start in range(0, rows, GROUP_ROWS):
        frame = make_rows(min(GROUP_ROWS, rows - start), rng)
        table = pa.Table.from_pandas(frame.assign(answer=make_answers(frame, rng)))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def run_stages(project: Path, table: Path) -> dict[str, Figures]:
    """Adopt the table in `project`, then run every stage; what each took."""
    adopt = [sys.executable, "-m", "pipeline.adopt", "--data", str(table), "--target", "answer"]
    found = {"adopt": measure(adopt, project)}
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    for stage in tqdm(stages, "stages", unit="stage"):
        found[stage] = measure([str(TOOLS / "dvc"), "repro", stage], project)
    return found


def as_table(found: dict[str, Figures]) -> str:
    """Markdown, one row a stage."""
    lines = ["| stage | seconds | peak MB |", "|---|---|---|"]
    lines += [f"| {n} | {f['seconds']:.0f} | {f['peak_mb']:,.0f} |" for n, f in found.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_table", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    arguments = parser.parse_args()
    os.environ["PATH"] = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(dir="var" if Path("var").is_dir() else None) as name:
        table, project = Path(name).resolve() / "table.parquet", Path(name).resolve() / "project"
        write_labelled_table(table, arguments.rows, np.random.default_rng(SEED))
        command = ["git", "clone", "--quiet", str(Path.cwd()), str(project)]
        subprocess.run(command, check=True)
        found = run_stages(project, table)
    print(as_table(found))
    figures = {"rows": arguments.rows, "columns": 20, "stages": found}
    print(f"figures: {write_result('large_table', figures)}")


if __name__ == "__main__":
    main()

"""Write measured figures into the documents: `python -m benchmarks.document`.

Replaces what stands between `<!-- NAME -->` and `<!-- end -->` with a table made from
benchmarks/results/NAME.json, wherever that file exists, and draws docs/replay.png.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from benchmarks import estimate_tables, fuzz, pages, score, soak
from benchmarks.drift.tables import as_tables as drift_tables
from benchmarks.faults.table import as_table as faults_table
from benchmarks.gate.tables import as_tables as gate_tables
from benchmarks.harm.tables import as_tables as harm_tables
from benchmarks.large_table import as_table as stages_table
from benchmarks.replay import judge
from benchmarks.replay_page import draw, header, rows
from benchmarks.results import RESULTS
from benchmarks.scale.table import as_table as scale_table
from benchmarks.serve import as_tables

PICTURE = Path("docs/replay.png")
DOCUMENTS = [Path("README.md"), Path("docs/benchmarks.md"), Path("docs/monitoring-quality.md")]
NAMES = (
    "bench-serve|bench-drift|bench-estimate|bench-gate|bench-harm|bench-scale|soak|replay|score|"
    "large_table|faults|fuzz|pages|paint"
)
BLOCK = re.compile(rf"(<!-- ({NAMES}) -->\n).*?(<!-- end -->)", re.DOTALL)


def replay_table(figures: dict[str, Any]) -> str:
    """Markdown: the verdict and one row per month."""
    lines = [header(), ["---"] * len(header()), *rows(figures["months"])]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{judge(figures)} It took {figures['seconds'] / 60:.0f} minutes."


def serve_table(figures: dict[str, Any]) -> str:
    """Markdown: the tables that bench-serve prints, and what it was measured on."""
    machine = figures.pop("machine")
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    return (
        f"{as_tables(figures)}\n\nMeasured on {machine['cores']} cores, Python "
        f"{machine['python']}, {libraries}."
    )


def score_table(figures: dict[str, Any]) -> str:
    return score.as_table(figures["systems"])


def large_table(figures: dict[str, Any]) -> str:
    return stages_table(figures["stages"])


def fill(text: str) -> str:
    """The document with every block whose figures exist made anew."""
    makers = {
        "bench-serve": serve_table,
        "bench-drift": drift_tables,
        "bench-estimate": estimate_tables.as_tables,
        "bench-gate": gate_tables,
        "bench-harm": harm_tables,
        "bench-scale": scale_table,
        "soak": soak.as_text,
        "replay": replay_table,
        "score": score_table,
        "large_table": large_table,
        "faults": faults_table,
        "fuzz": fuzz.as_table,
        "pages": pages.as_table,
        "paint": pages.paint_table,
    }

    def replace(match: "re.Match[str]") -> str:
        path = RESULTS / f"{match[2]}.json"
        if not path.exists():
            return match[0]
        return f"{match[1]}{makers[match[2]](json.loads(path.read_text()))}\n{match[3]}"

    return BLOCK.sub(replace, text)


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.document", description=__doc__).parse_args()
    for path in DOCUMENTS:
        path.write_text(fill(path.read_text()))
        print(f"figures written into {path}")
    replay = RESULTS / "replay.json"
    if replay.exists():
        PICTURE.write_bytes(draw(json.loads(replay.read_text())["months"]))
        print(f"picture drawn into {PICTURE}")


if __name__ == "__main__":
    main()

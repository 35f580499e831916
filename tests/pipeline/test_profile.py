"""The profile page: whole, escaped, the same twice; and the notebook that shows the same."""

from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

from pipeline.profiling.page import profile_page
from pipeline.validation.inspection import Inspection, inspect_table
from tests.pipeline.tables_on_disk import make_params, make_project, make_table

TASKS = ["binary", "multiclass", "regression"]
VOID = {"meta", "br", "img", "link", "input"}
MEGABYTE = 2**20


class Reader(HTMLParser):
    """Keeps which elements are open, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def inspected(directory: Path, table: pd.DataFrame, task: str = "binary") -> Inspection:
    project = make_project(directory, table, make_params(task))
    return inspect_table(project.raw, project.outcomes, project.params)


def page_of(found: Inspection) -> str:
    return profile_page(found.findings, found.profile)


@pytest.mark.parametrize("task", TASKS)
def test_page_is_whole_and_escaped_for_each_task(tmp_path: Path, task: str) -> None:
    reader = read(page_of(inspected(tmp_path, make_table(task=task), task)))

    assert reader.open == []
    assert "script" not in reader.tags
    assert "image" not in reader.tags
    assert all(link.startswith("#") for link in reader.links)
    for name in ('<script>alert("x")</script>', "price in $ of $\\frac$", "数量 é", "answer & <i>"):
        assert name in reader.text
    for heading in ("Findings", "Target", "Over time", "Target by feature", "Distributions",
                    "Correlations", "Missing values", "Columns"):  # fmt: skip
        assert heading in reader.text
    assert reader.tags.count("svg") == 6


@pytest.mark.slow
def test_page_is_the_same_twice(tmp_path: Path) -> None:
    table = make_table()

    first = page_of(inspected(tmp_path / "1", table))

    assert first == page_of(inspected(tmp_path / "2", table))


def test_findings_are_on_the_page_with_their_colour(tmp_path: Path) -> None:
    table = make_table()
    table["index"] = table["index"].astype(object)
    table.loc[3, "index"] = None

    page = page_of(inspected(tmp_path, table))

    assert '<li class="fail"><strong>failure: missing</strong> index: 1 of 600' in page
    assert "row 3 of raw.parquet" in page


def test_figures_of_columns_are_exact(tmp_path: Path) -> None:
    table = make_table()
    profile = inspected(tmp_path, table).profile

    columns = {column.name: column for column in profile.columns}
    assert columns["a"].distinct == table["a"].nunique()
    assert columns["a"].low == str(table["a"].min())
    assert columns["a"].high == str(table["a"].max())
    counts = table["index"].value_counts()
    assert dict(columns["index"].top) == counts.to_dict()
    gappy = '<script>alert("x")</script>'
    assert columns[gappy].missing == pytest.approx(table[gappy].isna().mean())
    assert profile.relevant[0].name in ("a.b", "price in $ of $\\frac$")
    assert profile.period == ("2024-01-01 00:00", "2024-01-25 23:00")


@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("task", TASKS)
def test_a_tiny_table_has_a_page(tmp_path: Path, rows: int, task: str) -> None:
    assert read(page_of(inspected(tmp_path, make_table(10, task).head(rows), task))).open == []


def test_constant_and_empty_columns_have_a_page(tmp_path: Path) -> None:
    gappy = '<script>alert("x")</script>'
    table = make_table().assign(**{"a": 1, "a.b": 0.5, "index": "same", gappy: np.nan})

    assert read(page_of(inspected(tmp_path, table))).open == []


@pytest.mark.slow
def test_page_of_a_wide_table_stays_small(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table = make_table(2000)
    wide = {f"measure {i}": generator.normal(size=2000) for i in range(500)}
    gaps = {f"gap {i}": generator.choice([1.5, np.nan], 2000) for i in range(60)}
    names = {name: {"kind": "numeric", "nullable": True} for name in (*wide, *gaps)}
    table = pd.concat([table, pd.DataFrame(wide | gaps)], axis=1)
    params = make_params(features=names)

    project = make_project(tmp_path, table, params)
    page = page_of(inspect_table(project.raw, project.outcomes, params))

    assert len(page.encode()) < 5 * MEGABYTE


@pytest.mark.slow
@pytest.mark.parametrize("start", [".", "notebooks"])
@pytest.mark.parametrize("task", TASKS)
def test_the_notebook_runs_on_any_table_from_either_directory(
    tmp_path: Path, task: str, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).parent.parent.parent
    make_project(tmp_path, make_table(task=task), make_params(task))
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(root))
    notebook = nbformat.read(root / "notebooks" / "eda.ipynb", as_version=4)

    NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(tmp_path / start)}}
    ).execute()

    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert sum("image/svg+xml" in out.get("data", {}) for out in shown) == 6


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = nbformat.read("notebooks/eda.ipynb", as_version=4)

    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)

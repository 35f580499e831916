"""Every rule, broken and kept: what is found, how bad it is, and what the message says."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.params import ParamsError, load_params
from pipeline import validate
from pipeline.validation.findings import Finding
from pipeline.validation.inspection import inspect_table
from tests.pipeline.tables_on_disk import Project, make_params, make_project, make_table

TASKS = ["binary", "multiclass", "regression"]
TARGET = "answer & <i>"
GAPPY = '<script>alert("x")</script>'
Change = Callable[[pd.DataFrame], object]


def find(
    directory: Path,
    table: pd.DataFrame,
    *snapshots: pd.DataFrame,
    task: str = "binary",
    **changes: Any,
) -> list[Finding]:
    project = make_project(directory, table, make_params(task, **changes), *snapshots)
    return inspect_table(project.raw, project.outcomes, project.params).findings


def put(column: str, rows: list[int], value: object) -> Change:
    def change(table: pd.DataFrame) -> None:
        if isinstance(value, str):
            table[column] = table[column].astype(str)
        table.loc[rows, column] = value

    return change


@pytest.mark.parametrize("task", TASKS)
def test_a_sound_table_breaks_no_rule(tmp_path: Path, task: str) -> None:
    assert find(tmp_path, make_table(task=task), task=task) == []


@pytest.mark.parametrize(
    ("change", "rule", "severity", "column", "count", "said"),
    [
        (put("price in $ of $\\frac$", [7, 9], "dear"), "schema", "fail",
         "price in $ of $\\frac$", 2, "'dear' in row 7 of raw.parquet; mend them"),
        (put("a", [3], "1.5"), "schema", "fail", "a", 1, "cannot be read as integer"),
        (put("values", [3], "maybe"), "schema", "fail", "values", 1, "'maybe' in row 3"),
        (put("class", [3], "soon"), "schema", "fail", "class", 1, "cannot be read as datetime"),
        (put("a.b", [5], np.inf), "ranges", "fail", "a.b", 1, "are infinite or beyond 1e+30"),
        (put("a.b", [5], 1e300), "ranges", "fail", "a.b", 1, "'1e+300' in row 5"),
        (put("a.b", [5, 6], np.nan), "missing", "fail", "a.b", 2,
         "set features.a.b.nullable"),
        (put(GAPPY, list(range(600)), np.nan), "missing", "warn", GAPPY, 600,
         "more than a share of 0.99"),
        (put(TARGET, [4], "perhaps"), "labels", "fail", TARGET, 1, "'perhaps' in row 4"),
        (put("when", [4], pd.NaT), "time_order", "fail", "when", 1, "are missing"),
        (put("when", [4], pd.Timestamp("2031-01-01", tz="UTC")), "time_order", "warn", "when", 1,
         "are not before data.until (2030-01-01)"),
    ],
    ids=["text-number", "fraction", "boolean", "datetime", "infinite", "huge", "missing",
         "too-many-missing", "class", "no-time", "future"],
)  # fmt: skip
def test_broken_rule_names_column_count_and_rows(
    tmp_path: Path, change: Change, rule: str, severity: str, column: str, count: int, said: str
) -> None:
    table = make_table()
    change(table)

    first = find(tmp_path, table)[0]

    assert (first.rule, first.severity, first.column, first.count) == (
        rule,
        severity,
        column,
        count,
    )
    assert said in first.message
    assert f"{column}: {count} of 600 values" in first.message
    assert first.share == pytest.approx(count / 600, abs=1e-6)
    assert len(first.examples) == min(count, 5)


def test_values_outside_their_range_are_found(tmp_path: Path) -> None:
    table = make_table()
    table.loc[[1, 2], "a"] = [-4, 9999]

    (found,) = find(tmp_path, table, validation={"ranges": {"a": [0, 5000]}})

    assert (found.rule, found.severity, found.count) == ("ranges", "warn", 2)
    assert [(e.row, e.value) for e in found.examples] == [(1, "-4.0"), (2, "9999.0")]


def test_range_of_a_regression_s_target_is_checked(tmp_path: Path) -> None:
    found = find(
        tmp_path,
        make_table(task="regression"),
        task="regression",
        validation={"ranges": {TARGET: [0, None]}},
    )

    assert [f.rule for f in found] == ["ranges"]
    assert found[0].column == TARGET


def test_absent_columns_are_found_in_every_file(tmp_path: Path) -> None:
    table = make_table()
    found = find(tmp_path, table.drop(columns="a"), table.drop(columns=["a.b", "when"]).head(20))

    absent = [
        (f.column, f.message.split(" has ")[0]) for f in found if "no such column" in f.message
    ]
    assert absent == [
        ("a", "a: raw.parquet"),
        ("a.b", "a.b: 0.parquet"),
        ("when", "when: 0.parquet"),
    ]


def test_a_table_without_its_target_still_has_findings_and_a_profile(tmp_path: Path) -> None:
    found = find(tmp_path, make_table().drop(columns=TARGET))

    assert found[0].severity == "fail"
    assert f"{TARGET}: raw.parquet has no such column" in found[0].message


def test_duplicates_are_found_beyond_their_share(tmp_path: Path) -> None:
    table = make_table()
    table.iloc[100:110] = table.iloc[:10].to_numpy()

    (found,) = [f for f in find(tmp_path, table) if f.rule == "duplicates"]

    assert (found.severity, found.count) == ("warn", 10)
    assert found.examples[0].row == 100
    few = make_project(tmp_path / "b", table, make_params(validation={"max_duplicates": 0.1}))
    rules = [f.rule for f in inspect_table(few.raw, few.outcomes, few.params).findings]
    assert "duplicates" not in rules


def test_a_class_of_few_rows_is_found(tmp_path: Path) -> None:
    table = make_table()
    table[TARGET] = np.where(np.arange(600) < 4, "yes", "no")

    found = find(tmp_path, table)

    assert (found[0].rule, found[0].severity, found[0].count) == ("labels", "fail", 4)
    assert (
        "the class 'yes' has 4 rows, fewer than validation.min_class_rows (10)" in found[0].message
    )


def test_ignored_classes_and_their_rows_break_nothing(tmp_path: Path) -> None:
    table = make_table()
    table.loc[:5, TARGET] = "unclear"

    assert find(tmp_path, table, data={"ignored_classes": ["unclear"]}) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([2.5] * 600, "is 2.5 in every row"),
        ([np.inf, *range(599)], "1 of 600 values are no finite numbers"),
        (["many", *map(str, range(599))], "'many' in row 0"),
    ],
    ids=["constant", "infinite", "text"],
)
def test_unusable_numbers_of_a_target_are_found(
    tmp_path: Path, values: list[object], said: str
) -> None:
    table = make_table(task="regression").assign(**{TARGET: values})

    found = find(tmp_path, table, task="regression")[0]

    assert (found.rule, found.severity) == ("labels", "fail")
    assert said in found.message


def test_a_table_without_any_label_is_found(tmp_path: Path) -> None:
    found = find(tmp_path, make_table().assign(**{TARGET: None}))

    assert found[0].rule == "labels"
    assert "600 of 600 rows have none" in found[0].message


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("column", "disguise"), [("a.b", lambda n: 100.0 - n), ("index", str)])
def test_a_feature_that_is_the_target_is_found(
    tmp_path: Path, task: str, column: str, disguise: Callable[[int], object]
) -> None:
    table = make_table(task=task)
    if task == "regression":
        table[TARGET] = table[TARGET].clip(-2, 2).round()
    table[column] = [disguise(int(code)) for code in pd.factorize(table[TARGET], sort=True)[0]]

    (found,) = find(tmp_path, table, task=task)

    assert (found.rule, found.severity, found.column) == ("leakage", "warn", column)
    assert f"{column}: determines {TARGET} alone" in found.message


def test_an_identifier_is_no_leak(tmp_path: Path) -> None:
    table = make_table().assign(index=[f"row {i}" for i in range(600)])

    assert find(tmp_path, table) == []


def test_rows_of_the_hold_out_among_training_rows_are_found(tmp_path: Path) -> None:
    table = make_table()
    names = [name for name in table if name not in ("when", "who")]
    table.loc[590:599, names] = table.loc[:9, names].to_numpy()

    (found,) = find(tmp_path, table)

    assert (found.rule, found.severity, found.count) == ("overlap", "warn", 10)
    assert "10 of 120 rows of the hold-out" in found.message
    assert found.examples[0].row == 590


def test_equal_features_with_other_targets_are_only_mentioned(tmp_path: Path) -> None:
    table = make_table()
    names = [name for name in table if name not in ("when", "who")]
    table.loc[590:599, names] = table.loc[:9, names].to_numpy()
    table.loc[590:599, TARGET] = table.loc[590:599, TARGET].map({"yes": "no", "no": "yes"})

    (found,) = find(tmp_path, table, validation={"rules": {"overlap": "fail"}})

    assert (found.severity, found.count) == ("info", 10)


@pytest.mark.parametrize("split", ["stratified", "shuffled", "grouped"])
def test_overlap_of_other_splits_is_found(tmp_path: Path, split: str) -> None:
    table = pd.concat([make_table(300), make_table(300).assign(who="again")], ignore_index=True)
    found = find(
        tmp_path,
        table,
        data={"split": split, "id": "who", "timestamp": None},
        validation={"max_duplicates": 0.02},
    )

    overlap = [f for f in found if f.rule == "overlap"]
    assert [f.severity for f in overlap] == ["info" if split == "grouped" else "warn"]


def test_rows_out_of_order_are_only_mentioned(tmp_path: Path) -> None:
    (found,) = find(tmp_path, make_table().iloc[::-1], validation={"rules": {"time_order": "fail"}})

    assert (found.rule, found.severity, found.count) == ("time_order", "info", 599)


def test_snapshots_are_checked_and_may_be_newer_than_the_history(tmp_path: Path) -> None:
    table = make_table()
    snapshot = make_table(50, seed=1).drop(columns="who")
    snapshot["when"] = pd.Timestamp("2040-01-01", tz="UTC")
    snapshot["values"] = snapshot["values"] == "yes"  # typed, as monitoring writes them
    snapshot["class"] = snapshot["class"].map(lambda moment: moment.isoformat())
    snapshot.loc[8, "a.b"] = np.nan

    (found,) = find(tmp_path, table, snapshot, data={"id": "who"})

    assert (found.rule, found.count) == ("missing", 1)
    assert [(e.file, e.row) for e in found.examples] == [("0.parquet", 8)]


def test_rows_without_a_target_are_not_judged_and_row_numbers_stay(tmp_path: Path) -> None:
    table = make_table()
    table["a.b"] = table["a.b"].astype(str)
    table.loc[[10, 20], "a.b"] = "oops"
    table.loc[:15, TARGET] = None

    (found,) = find(tmp_path, table)

    assert (found.count, found.examples[0].row) == (1, 20)


@pytest.mark.parametrize("severity", ["off", "warn", "fail"])
def test_params_say_how_bad_a_rule_is(tmp_path: Path, severity: str) -> None:
    table = make_table()
    table.loc[0, "a"] = -1
    rules = {"rules": {"ranges": severity}, "ranges": {"a": [0, None]}}

    found = find(tmp_path, table, validation=rules)

    assert [f.severity for f in found] == ([] if severity == "off" else [severity])


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        ({"rules": {"lekage": "fail"}}, r"\['lekage'\] are unknown; the rules are \['schema'"),
        ({"ranges": {"index": [0, 1]}}, "'index' is no column of numbers"),
        ({"ranges": {"nowhere": [0, 1]}}, "'nowhere' is no column of numbers"),
        ({"ranges": {"a": [1, 0]}}, "1 is above 0"),
    ],
    ids=["rule", "text", "unknown", "reversed"],
)
def test_params_that_cannot_be_are_refused(
    tmp_path: Path, validation: dict[str, object], said: str
) -> None:
    with pytest.raises(ParamsError, match=said):
        find(tmp_path, make_table(50), validation=validation)


def run(project: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    findings, page = project.directory / "build" / "f.json", project.directory / "build" / "p.html"
    arguments = ["--params", project.directory / "params.yaml", "--raw", project.raw,
                 "--outcomes", project.outcomes, "--findings", findings,
                 "--profile", page]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["validate", *map(str, arguments)])
    validate.main()
    return findings, page


def test_a_warning_lets_the_stage_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = make_table()
    table.loc[0, "a"] = -1
    project = make_project(tmp_path, table, make_params(validation={"ranges": {"a": [0, None]}}))

    findings, page = run(project, monkeypatch)

    content = json.loads(findings.read_text())
    assert (content["rows"], content["fail"], content["warn"]) == (600, 0, 1)
    assert content["findings"][0]["column"] == "a"
    assert page.exists()
    assert "warn ranges: a: 1 of 600 values" in capsys.readouterr().err


def test_a_failure_ends_the_stage_and_both_files_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path, make_table().drop(columns="a"), make_params())

    with pytest.raises(SystemExit) as ended:
        run(project, monkeypatch)

    assert ended.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fail ")]
    assert len(lines) == 1
    assert lines[0].startswith("fail schema: a: raw.parquet has no such column")
    assert json.loads((tmp_path / "build" / "f.json").read_text())["fail"] == 1
    assert "no such column" in (tmp_path / "build" / "p.html").read_text()


def test_a_missing_table_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path, make_table(), make_params())
    project.raw.unlink()

    with pytest.raises(SystemExit, match=r"validate: .*raw.parquet does not exist; `dvc repro"):
        run(project, monkeypatch)


def test_the_flights_break_no_rule_that_fails(year: pd.DataFrame, tmp_path: Path) -> None:
    project = make_project(tmp_path, year.head(5000), load_params(Path("params.yaml")))

    found = inspect_table(project.raw, project.outcomes, project.params).findings

    assert [f for f in found if f.severity == "fail"] == []

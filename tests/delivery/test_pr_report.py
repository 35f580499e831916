"""The report on a pull request says what the change does, and what it could not compare."""

from pathlib import Path

import pytest

from tests.delivery.projects import change, git, run, write_project

pytestmark = pytest.mark.slow  # DVC takes a second or two for each command
REPORT = ("python", "-m", "deploy.pr_report", "--base", "main")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A branch with other params than main's, made."""
    project = write_project(tmp_path_factory.mktemp("report") / "project", depth=4)
    git(project, "switch", "--quiet", "--create", "deeper")
    change(project, depth=8)
    return project


def report(project: Path, **environment: str) -> str:
    run(project, *REPORT, **environment)
    return (project / "build/pr-report/report.md").read_text()


def test_metrics_and_params_stand_beside_those_of_the_base(project: Path) -> None:
    text = report(project)

    (metric,) = (line for line in text.splitlines() if "build/metrics.json | roc_auc" in line)
    assert [cell.strip() for cell in metric.split("|")[3:6]] == ["0.75", "0.875", "0.125"]
    (param,) = (line for line in text.splitlines() if "train.depth" in line)
    assert [cell.strip() for cell in param.split("|")[3:5]] == ["4", "8"]
    assert "Gates: passed" in text
    assert "<summary>Model card</summary>\n\n# Model card of depth 8" in text
    assert "Not compared" not in text
    assert "vega" in (project / "build/pr-report/plots/index.html").read_text()


def test_main_may_have_gone_on_meanwhile(project: Path) -> None:
    branched = git(project, "rev-parse", "main").strip()
    git(project, "switch", "--quiet", "main")
    (project / "later.txt").write_text("on main only")
    git(project, "add", "later.txt")
    git(project, "commit", "--quiet", "--message", "Later")
    git(project, "switch", "--quiet", "deeper")

    assert f"Against `{branched[:12]}`" in report(project)


def test_the_run_is_linked_where_there_is_one(project: Path) -> None:
    text = report(
        project, GITHUB_SERVER_URL="https://github.com", GITHUB_REPOSITORY="a/b", GITHUB_RUN_ID="7"
    )
    assert "[The run](https://github.com/a/b/actions/runs/7)" in text


def test_old_figures_that_nobody_has_are_said_to_be_missing(project: Path, tmp_path: Path) -> None:
    git(project, "clone", "--quiet", "--branch", "deeper", str(project), str(tmp_path / "clone"))
    git(tmp_path / "clone", "branch", "--quiet", "main", "origin/main")
    run(tmp_path / "clone", "dvc", "repro", "--quiet")

    text = report(tmp_path / "clone")
    assert "**Not compared**: neither the cache nor a DVC remote has the old figures" in text
    assert "0.875" in text


def test_a_gate_that_says_no_is_reported_with_its_reason(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", depth=4)
    git(project, "switch", "--quiet", "--create", "flat")
    change(project, depth=2)

    text = report(project)
    assert "Gates: **not passed**" in text
    assert "| **no** | `metrics.roc_auc` | roc_auc is 0.5 |" in text
    (project / "build/gate.json").unlink()
    assert "**Not asked**: a stage before them failed" in report(project)


def test_a_long_card_is_cut_to_what_a_comment_holds(project: Path) -> None:
    card = project / "build/bundle/model_card.md"
    card.chmod(0o644)
    kept = card.read_text()
    card.write_text("x" * 100_000)
    try:
        text = report(project)
    finally:
        card.write_text(kept)
    assert len(text) < 65_536
    assert "cut here" in text
    assert text.endswith("</details>\n")


def test_no_base_is_an_error_that_names_it(project: Path) -> None:
    told = run(project, *REPORT[:-1], "origin/nowhere", fails=True)
    assert told.startswith("no report: git merge-base origin/nowhere HEAD:")


def test_results_are_shared_through_a_remote_and_skipped_loudly_without(
    project: Path, tmp_path: Path
) -> None:
    shared = ("python", "-m", "deploy.dvc_remote")
    assert "::warning::SKIPPED push: no DVC remote is named" in run(project, *shared, "push")

    run(project, "dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    git(project, "commit", "--quiet", "--all", "--message", "A remote")
    assert run(project, *shared, "push") == ""
    git(project, "clone", "--quiet", str(project), str(tmp_path / "clone"))
    assert run(tmp_path / "clone", *shared, "pull") == ""
    assert (tmp_path / "clone/build/bundle/model_card.md").read_text().endswith("depth 8\n")
    assert "up to date" in run(tmp_path / "clone", "dvc", "repro")

    run(project, "dvc", "remote", "modify", "storage", "url", "s3://nowhere.invalid/x")
    refused = run(project, *shared, "pull", fails=True, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert "the DVC remote could not be used (pull)" in refused

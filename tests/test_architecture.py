"""Promises about the repository itself: arrows, stage dependencies, settings, decisions."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from contracts.params import Params
from contracts.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGES = ["client", "contracts", "pipeline", "service", "monitoring", "deploy", "benchmarks"]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
BEFORE_PACKAGE = [name for name in STAGES if name not in ("package", "gate")]


def _local_imports(path: Path) -> set[Path]:
    """Local modules that a file imports, also those under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            candidate = ROOT / f"{name.replace('.', '/')}.py"
            if name.split(".")[0] in PACKAGES and candidate.exists():
                found.add(candidate)
    return found


def _needed(entry: Path) -> set[str]:
    """The entry point and every local module that it imports, directly or not."""
    seen, waiting = set(), {entry}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        waiting |= _local_imports(path) - seen
    return {path.relative_to(ROOT).as_posix() for path in seen}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_exactly_the_modules_it_needs(stage: str) -> None:
    listed = {dep for dep in STAGES[stage]["deps"] if str(dep).endswith(".py")}

    # The bundle's manifest holds the lock entries of every stage, so package depends on them all.
    entries = [*BEFORE_PACKAGE, stage] if stage == "package" else [stage]
    assert listed == set().union(*(_needed(ROOT / "pipeline" / f"{s}.py") for s in entries))


def test_package_depends_on_all_that_its_manifest_names() -> None:
    before = [STAGES[name] for name in BEFORE_PACKAGE]
    named = {str(dep) for stage in before for dep in stage["deps"]}
    for stage in before:
        for kind in ("outs", "metrics", "plots"):
            named |= {next(iter(o)) if isinstance(o, dict) else o for o in stage.get(kind, [])}
    sections = {section for stage in before for section in stage["params"]}

    assert named <= set(STAGES["package"]["deps"])
    assert {str(name).split(".")[0] for name in sections} <= set(STAGES["package"]["params"])


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_every_section_of_params_it_reads(stage: str) -> None:
    read = set()
    for name in _needed(ROOT / "pipeline" / f"{stage}.py"):
        source = (ROOT / name).read_text()
        read |= set(re.findall(r"\bparams\.([a-z]+)\b", source))
    read &= set(Params.model_fields)

    assert read <= {str(name).split(".")[0] for name in STAGES[stage]["params"]}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_runs_its_own_module_and_depends_on_the_lock(stage: str) -> None:
    assert STAGES[stage]["cmd"].startswith(f"python -m pipeline.{stage} ")
    assert "requirements/train.txt" in STAGES[stage]["deps"]


def test_arrows_between_packages_hold() -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    run = subprocess.run(
        [tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout[-3000:]


def test_a_forbidden_import_would_be_seen(tmp_path: Path) -> None:
    for name in PACKAGES[:5]:
        files = (ROOT / name).rglob("*.py")
        for file in files:
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(file.read_text())
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    with (tmp_path / "contracts" / "bundle.py").open("a") as module:
        module.write("import service.app\n")
    tool = Path(sys.executable).parent / "lint-imports"
    run = subprocess.run(
        [tool, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert run.returncode != 0
    assert "contracts -> service" in run.stdout or "contracts.bundle -> service" in run.stdout


@pytest.mark.parametrize("document", [".env.example", "README.md"])
@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str, document: str) -> None:
    assert f"PERENNIAL_{name.upper()}" in (ROOT / document).read_text()


@pytest.mark.parametrize("document", [".env.example", "README.md"])
def test_no_document_names_a_setting_that_is_gone(document: str) -> None:
    named = set(re.findall(r"PERENNIAL_([A-Z_]+)", (ROOT / document).read_text()))

    named -= {"API_KEY"}  # of whoever asks; the service never reads it
    assert named <= {name.upper() for name in Settings.model_fields}


def test_decisions_are_numbered_once_and_without_gaps() -> None:
    numbers = sorted(int(p.name[:4]) for p in (ROOT / "docs" / "adr").glob("[0-9]*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


def test_every_decision_has_its_sections() -> None:
    for path in (ROOT / "docs" / "adr").glob("[0-9]*.md"):
        text = path.read_text()
        for section in ("Date:", "Status:", "## Context", "## Decision", "## Consequences"):
            assert section in text, f"{path.name} lacks {section}"


def test_local_links_in_documents_lead_somewhere() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text()):
            assert (path.parent / link).exists(), f"{path.name} links to {link}"


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)

    assert targets is not None
    for target in targets[1].split():
        assert re.search(rf"^{target}:.*## \S", text, re.MULTILINE), target


def test_locks_name_no_registry() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in path.read_text(), path.name
        assert "--hash=sha256:" in path.read_text(), path.name


@pytest.mark.parametrize(
    ("lock", "absent"),
    [("serve", ["dvc", "evidently", "pandas", "scikit-learn"]), ("monitor", ["dvc", "fastapi"])],
)
def test_process_does_not_carry_what_it_does_not_run(lock: str, absent: list[str]) -> None:
    names = re.findall(r"^([a-z0-9-]+)==", (ROOT / f"requirements/{lock}.txt").read_text(), re.M)

    assert not set(names) & set(absent)


def test_product_code_has_no_assert_and_no_mutable_global() -> None:
    for package in PACKAGES[:5]:
        for path in (ROOT / package).rglob("*.py"):
            nodes = ast.walk(ast.parse(path.read_text()))
            assert not any(isinstance(node, ast.Assert | ast.Global) for node in nodes), path

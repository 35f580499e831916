"""Small projects, with real git and real DVC, that stand for this one: files of the same names."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
STAGES = """\
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [train]
    outs: [build/bundle]
    metrics: [build/metrics.json]
    plots: [build/roc.csv: {x: fpr, y: tpr}]
  gate:
    cmd: python gate.py
    deps: [gate.py, build/metrics.json]
    metrics: [build/gate.json]
"""
TRAIN = """\
import json, pathlib, yaml
depth = yaml.safe_load(open("params.yaml"))["train"]["depth"]
pathlib.Path("build/bundle").mkdir(parents=True, exist_ok=True)
pathlib.Path("build/bundle/model_card.md").write_text(f"# Model card of depth {depth}\\n")
pathlib.Path("build/metrics.json").write_text(json.dumps({"roc_auc": 1 - 1 / depth}))
pathlib.Path("build/roc.csv").write_text("fpr,tpr\\n0,0\\n1,1\\n")
"""
GATE = """\
import json, pathlib, sys
auc = json.loads(pathlib.Path("build/metrics.json").read_text())["roc_auc"]
rule = {"rule": "metrics.roc_auc", "passed": auc > 0.6, "reason": f"roc_auc is {auc}"}
verdict = {"passed": auc > 0.6, "rules": [rule]}
pathlib.Path("build/gate.json").write_text(json.dumps(verdict))
sys.exit(auc <= 0.6)
"""


def run(project: Path, *command: str, fails: bool = False, **environment: str) -> str:
    """What it printed, on both streams; it has to end well, or to fail where that is wanted."""
    tools = str(Path(sys.executable).parent)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "GITHUB_"))}
    paths = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        command, cwd=project, env={**inherited, **paths, **environment},
        capture_output=True, text=True,
    )  # fmt: skip
    assert bool(found.returncode) == fails, found.stdout + found.stderr
    return found.stdout + found.stderr


def git(project: Path, *arguments: str) -> str:
    options = ("-c", "user.name=a test", "-c", "user.email=test@example.invalid")
    return run(project, "git", *options, *arguments)


def write_project(project: Path, depth: int) -> Path:
    """Committed, with everything made and locked."""
    project.mkdir(parents=True)
    git(project, "init", "--quiet", "--initial-branch=main")
    run(project, "dvc", "init", "--quiet")
    for name, text in (("dvc.yaml", STAGES), ("train.py", TRAIN), ("gate.py", GATE)):
        (project / name).write_text(text)
    (project / ".gitignore").write_text("/build/\n")
    change(project, depth)
    return project


def change(project: Path, depth: int) -> None:
    """Other params, reproduced where the gate lets them, and committed."""
    (project / "params.yaml").write_text(json.dumps({"train": {"depth": depth}}))
    run(project, "dvc", "repro", "--quiet", fails=depth < 3)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", f"Depth {depth}")

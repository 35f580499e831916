"""The page of commands: every `python -m ...` with its own --help."""

import ast
import contextlib
import io
import os
import re
import runpy
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from deploy.site.markdown import UndocumentedError, plain, table

PACKAGES = {
    "pipeline": "Training: the stages of `dvc repro`, and what people run beside them.",
    "service": "The REST service.",
    "contracts": "The registry of versions, and the database.",
    "monitoring": "Checks, retrains and what follows from them.",
    "deploy": "Images, releases, audits; most have a [make target](make.md).",
    "benchmarks": "Measurements, each against a baseline of the same run.",
}
# Started by other commands, with arguments of their own; no person types them.
CHILDREN = {
    "benchmarks.scale.plain", "benchmarks.serving.unlogged", "deploy.replaying.relay",
    "deploy.rollout.probes.answers", "deploy.rollout.probes.recent_rows",
    "deploy.rollout.probes.registry", "deploy.rollout.probes.vitals", "monitoring.drift",
    "monitoring.tether",
}  # fmt: skip
WIDTH = "82"  # columns of a page, less two that argparse keeps


def commands_page(root: Path) -> str:
    """Every command of the packages, with its help.

    Raises:
        UndocumentedError: a module can be run and says nothing of itself.
    """
    parts = ["# Commands\n\nIn an activated `.venv`, from the project's root; `-h` prints what is "
             "here. [Settings](settings.md) tell them where things are.\n"]  # fmt: skip
    children = []
    for package, told in PACKAGES.items():
        parts.append(f"\n## {package}\n\n{told}\n")
        for module, path in runnable(root / package):
            if module in CHILDREN:
                children.append([f"`{module}`", plain(_first_line(path))])
            else:
                parts.append(f"\n### {module}\n\n```text\n{help_of(module, path)}\n```\n")
    parts.append("\n## Started by other commands\n\n" + table(["module", "what it is"], children))
    return "".join(parts)


def runnable(package: Path) -> Iterator[tuple[str, Path]]:
    """Each module that `python -m` can run, by its name."""
    for path in sorted(package.rglob("*.py")):
        if _main_block(path) is not None:
            name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
            yield name.removesuffix(".__main__"), path


def help_of(module: str, path: Path) -> str:
    """What `python -m MODULE --help` prints.

    Raises:
        UndocumentedError: it would not print help, but do its work.
    """
    if not parses_arguments(path):
        raise UndocumentedError(f"python -m {module} has no --help (argparse), and is no child")
    said, given = io.StringIO(), [module, "--help"]
    with (
        _called_as(given),
        warnings.catch_warnings(action="ignore"),  # of runpy: it is imported already
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
    ):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    if not said.getvalue().startswith("usage:"):
        raise UndocumentedError(f"python -m {module} --help does not say how it is used")
    return re.sub(r"^usage: \S+\.py", f"usage: python -m {module}", said.getvalue()).rstrip()


@contextlib.contextmanager
def _called_as(given: list[str]) -> Iterator[None]:
    """The arguments and the terminal that a command sees meanwhile."""
    argv, environment = sys.argv, dict(os.environ)
    sys.argv = given
    os.environ.update(COLUMNS=WIDTH, NO_COLOR="1")
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(environment)


def parses_arguments(path: Path) -> bool:
    """Whether the module, or one that its last block imports `main` from, knows --help."""
    text = path.read_text()
    block = _main_block(path)
    for node in ast.walk(block) if block else ():
        if isinstance(node, ast.ImportFrom) and node.module:
            other = path.parents[len(path.parts) - path.parts.index(node.module.split(".")[0]) - 1]
            text += (other / f"{node.module.replace('.', '/')}.py").read_text()
    return "ArgumentParser" in text


def _main_block(path: Path) -> ast.If | None:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            return node
    return None


def _first_line(path: Path) -> str:
    told = ast.get_docstring(ast.parse(path.read_text()))
    if not told:
        raise UndocumentedError(f"{path} can be run and has no docstring")
    return told.partition("\n")[0]

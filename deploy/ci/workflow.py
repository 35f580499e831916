"""What a workflow file says of its jobs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class WorkflowError(ValueError):
    """The file, or what was asked of it, cannot be run here."""


@dataclass(frozen=True)
class Workflow:
    """A file of .github/workflows; `jobs` by name, as they are written there."""

    path: Path
    jobs: dict[str, dict[str, Any]]

    def matrix(self, job: str) -> dict[str, list[str]]:
        """Every key of a job's matrix with its values; empty where it has none.

        Raises:
            WorkflowError: there is no such job, or its matrix is not made of plain lists.
        """
        matrix = self._job(job).get("strategy", {}).get("matrix", {})
        odd = [key for key, values in matrix.items() if not _is_plain(key, values)]
        if odd:
            raise WorkflowError(f"matrix of {job}: {', '.join(odd)} is no list of plain values")
        return {key: [str(value) for value in values] for key, values in matrix.items()}

    def cell(self, job: str, wanted: dict[str, str]) -> dict[str, str]:
        """One entry of a job's matrix: what is wanted, else the first value of each key.

        Raises:
            WorkflowError: the matrix of no job has this key, or this one has not this value.
        """
        matrix = self.matrix(job)
        known = {key for each in self.jobs for key in self.matrix(each)}
        unknown = [
            f"{key}={value}" for key, value in wanted.items()
            if key not in known or value not in matrix.get(key, [value])
        ]  # fmt: skip
        if unknown:
            raise WorkflowError(f"{job} has no matrix entry {', '.join(unknown)}; it has {matrix}")
        return {key: wanted.get(key, values[0]) for key, values in matrix.items()}

    def needed(self, job: str) -> list[str]:
        """The job, and all that run before it."""
        needs = self._job(job).get("needs", [])
        earlier = [needs] if isinstance(needs, str) else needs
        return [job, *(name for each in earlier for name in self.needed(each))]

    def labels(self, job: str) -> list[str]:
        """The runners that a job, and those before it, ask for."""
        asked = (self._job(name).get("runs-on", []) for name in self.needed(job))
        return sorted({label for each in asked for label in _names(each)})

    def _job(self, job: str) -> dict[str, Any]:
        if job not in self.jobs:
            raise WorkflowError(f"{self.path} has no job {job!r}; it has {', '.join(self.jobs)}")
        return self.jobs[job]


def read_workflow(path: Path) -> Workflow:
    """Read a workflow file.

    Raises:
        WorkflowError: it is none.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise WorkflowError(f"{path} is no YAML: {error}") from None
    if not isinstance(found, dict) or not found.get("jobs"):
        raise WorkflowError(f"{path} has no jobs")
    return Workflow(path, found["jobs"])


def _is_plain(key: str, values: Any) -> bool:
    return key not in {"include", "exclude"} and isinstance(values, list)


def _names(asked: str | list[str]) -> list[str]:
    return [asked] if isinstance(asked, str) else asked

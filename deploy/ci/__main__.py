"""Run the jobs of a workflow file here, with its own steps, by act: `make ci-steps JOB=check`.

act reads the file itself, so a step that would fail on GitHub fails here: matrix, needs, if, env,
outputs and the shell are those of the file. It works on a fresh copy of this checkout without what
git ignores. Stand-ins (deploy/ci/stand_ins.py) take the place of actions from elsewhere; each run
ends with their list, since they are not proven by it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.ci.stand_ins import remote_actions, write_stand_ins
from deploy.ci.workflow import Workflow, WorkflowError, read_workflow

ACT = Path(".venv-delivery/bin/act")
WORKFLOW = Path(".github/workflows/ci.yml")
RUNNER = "-self-hosted"  # act's word for: no container, this machine
HANDED = ("DOCKER_HOST", "BUILD_NETWORK", "BASE_IMAGE", "BASE_DIGEST")  # which engine, which base


def run(workflow: Workflow, job: str, cell: dict[str, str]) -> int:
    """Run one job, after those that it needs, in one cell of its matrix; act's exit code.

    Raises:
        WorkflowError: an action has no stand-in, or act is not installed.
    """
    if not ACT.exists():
        raise WorkflowError(f"{ACT} is not there: `make setup-delivery`")
    with tempfile.TemporaryDirectory(prefix="perennial-ci-") as name:
        place = Path(name)
        stand_ins = write_stand_ins(remote_actions(workflow, job), place / "stand-ins")
        command = [str(ACT.resolve()), "push", "--workflows", str(workflow.path), "--job", job]
        command += ["--action-cache-path", str(place / "cache"), "--no-cache-server"]
        command += [f"--platform={label}={RUNNER}" for label in workflow.labels(job)]
        command += [f"--matrix={key}:{value}" for key, value in cell.items()]
        command += [f"--local-repository={action}={path}" for action, path in stand_ins.items()]
        command += [f"--env={name}={os.environ[name]}" for name in HANDED if name in os.environ]
        code = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
        for action in stand_ins:
            print(f"not run here, a stand-in was: {action}")
    return code


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.ci", description=__doc__)
    parser.add_argument("--workflow", type=Path, default=WORKFLOW)
    parser.add_argument("--job", action="append", help="default: all, one after the other")
    parser.add_argument(
        "--matrix", action="append", default=[], metavar="KEY=VALUE",
        help="default: the first value of each key",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="show jobs and matrices, run nothing")
    given = parser.parse_args()
    try:
        workflow = read_workflow(given.workflow)
        jobs = given.job or list(workflow.jobs)
        cells = {
            job: workflow.cell(job, dict(m.split("=", 1) for m in given.matrix)) for job in jobs
        }
        if given.list:
            print("\n".join(f"{job}  {workflow.matrix(job) or ''}".rstrip() for job in jobs))
            return
        failed = [job for job in jobs if run(workflow, job, cells[job])]
    except (WorkflowError, OSError) as error:
        sys.exit(f"ci-steps refused: {error}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    print(f"passed: {', '.join(jobs)}")


if __name__ == "__main__":
    main()

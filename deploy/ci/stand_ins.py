"""What takes the place of actions that are fetched from GitHub: each checks what it can here."""

from pathlib import Path

from deploy.ci.workflow import Workflow, WorkflowError

OWN = ("actions/checkout",)  # act copies this checkout by itself

# The interpreter that the job asks for comes first on PATH; none is fetched.
SETUP_PYTHON = """\
name: stand-in for setup-python
description: Finds the interpreter that is asked for.
inputs: {python-version: {required: true, description: as of the action}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {WANTED: "${{ inputs.python-version }}"}
      run: |
        found="$(command -v "python$WANTED" || true)"
        if [ -z "$found" ] || ! "$found" -c pass 2>/dev/null; then
          echo "Python $WANTED is not on this machine: install it, or choose another matrix entry"
          exit 1
        fi
        real="$("$found" -c 'import sys; print(sys.executable)')"
        mkdir -p "$RUNNER_TEMP/python-$WANTED"
        ln -sf "$real" "$RUNNER_TEMP/python-$WANTED/python3"
        echo "$RUNNER_TEMP/python-$WANTED" >> "$GITHUB_PATH"
"""

# Nothing is uploaded, but what is to be uploaded has to be there.
UPLOAD_ARTIFACT = """\
name: stand-in for upload-artifact
description: Looks for the files.
inputs:
  name: {required: false, description: as of the action}
  path: {required: true, description: as of the action}
  if-no-files-found: {required: false, default: warn, description: as of the action}
  retention-days: {required: false, description: as of the action}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        PATHS: "${{ inputs.path }}"
        MISSING: "${{ inputs.if-no-files-found }}"
      run: |
        shopt -s nullglob globstar
        found=0
        while read -r pattern; do
          for path in $pattern; do if [ -e "$path" ]; then echo "$path"; found=1; fi; done
        done <<< "$PATHS"
        if [ "$found" = 0 ]; then
          echo "no file of: $PATHS"
          [ "$MISSING" != error ]
        fi
"""

STAND_INS = {
    "actions/setup-python": SETUP_PYTHON,
    "actions/upload-artifact": UPLOAD_ARTIFACT,
}


def remote_actions(workflow: Workflow, job: str) -> list[str]:
    """The actions (`owner/name@commit`) of a job and of those that it needs, act's own left out."""
    steps = [step for name in workflow.needed(job) for step in workflow.jobs[name].get("steps", [])]
    used = {step["uses"] for step in steps if not step.get("uses", "./").startswith("./")}
    return sorted(action for action in used if action.split("@")[0] not in OWN)


def write_stand_ins(actions: list[str], directory: Path) -> dict[str, Path]:
    """Write a stand-in for each action; where each is.

    Raises:
        WorkflowError: one has none, so that its job cannot be run here.
    """
    written = {}
    for action in actions:
        name = action.split("@")[0]
        if name not in STAND_INS:
            raise WorkflowError(f"there is no stand-in for {name}; add it to {__name__}")
        written[action] = directory / name
        written[action].mkdir(parents=True, exist_ok=True)
        (written[action] / "action.yml").write_text(STAND_INS[name], encoding="utf-8")
    return written

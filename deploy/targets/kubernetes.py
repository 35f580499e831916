"""Deploy a release to a cluster: the migration first, then the rest; back when it is not ready."""

from pathlib import Path

from deploy.targets.commands import DeployError, Release, Run, really

OVERLAYS = Path("deploy/kubernetes/overlays")
PROCESSES = ("perennial-service", "perennial-monitoring")
NAMESPACES = {"production": "perennial", "staging": "perennial-staging"}
# What the migration and the processes need: everything but the processes.
BEFORE = "app.kubernetes.io/component notin (service,monitoring)"


def deploy(release: Release, place: str, run: Run) -> None:
    """Deploy to the overlay `place` of the current kubectl context.

    Raises:
        DeployError: the migration or a rollout failed; processes then run as before.
    """
    manifest = release.put_into(really(["kubectl", "kustomize", str(OVERLAYS / place)]))
    kubectl = ["kubectl", "--namespace", NAMESPACES[place]]
    run([*kubectl, "delete", "job", "perennial-migrate", "--ignore-not-found", "--wait"], "")
    run(["kubectl", "apply", "--filename", "-", "--selector", BEFORE], manifest)
    done = ["--for=condition=complete", "job/perennial-migrate", "--timeout=660s"]
    run([*kubectl, "wait", *done], "")
    run(["kubectl", "apply", "--filename", "-"], manifest)
    try:
        for name in PROCESSES:
            run([*kubectl, "rollout", "status", f"deployment/{name}", "--timeout=300s"], "")
    except DeployError as error:
        for name in PROCESSES:
            run([*kubectl, "rollout", "undo", f"deployment/{name}"], "")
        raise DeployError(f"rolled back: {error}") from error

"""Deploy a release to Cloud Run: the migration's job, the service, the worker pool.

Requests go to the new revision only once its startup probe has passed; otherwise the command fails
and the old one answers on.
"""

from pathlib import Path

from deploy.targets.commands import Release, Run, rendered

FILES = Path("deploy/cloudrun")


def deploy(release: Release, project: str, region: str, run: Run, directory: Path) -> None:
    """Deploy to a project and region; rendered manifests are written to `directory`.

    Raises:
        DeployError: a command failed; what was there before answers on.
    """
    values = {"PROJECT_ID": project, "REGION": region}
    job, service, pool = (
        str(rendered(FILES / f"{name}.yaml", values, release, directory))
        for name in ("migrate", "service", "monitoring")
    )
    where = ["--project", project, "--region", region, "--quiet"]
    run(["gcloud", "run", "jobs", "replace", job, *where], "")
    run(["gcloud", "run", "jobs", "execute", "perennial-migrate", "--wait", *where], "")
    run(["gcloud", "run", "services", "replace", service, *where], "")
    run(["gcloud", "beta", "run", "worker-pools", "replace", pool, *where], "")

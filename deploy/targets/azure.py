"""Deploy a release to Azure Container Apps: the migration's job, the service, the scheduler.

In single-revision mode requests go to the new revision once it is ready; the old one answers until
then.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from deploy.targets.commands import DeployError, Release, Run, rendered

FILES = Path("deploy/azure")
JOB = "perennial-migrate"
MOST_LOOKS, SECONDS = 120, 5


@dataclass(frozen=True)
class Place:
    """Where in Azure; `registry` is a host name, `vault` the name of a key vault."""

    subscription: str
    group: str
    location: str
    registry: str
    vault: str

    @property
    def values(self) -> dict[str, str]:
        """What the manifests have in capitals."""
        return {
            "SUBSCRIPTION": self.subscription,
            "RESOURCE_GROUP": self.group,
            "LOCATION": self.location,
            "REGISTRY": self.registry,
            "VAULT": self.vault,
        }


def deploy(release: Release, place: Place, run: Run, directory: Path, *, first: bool) -> None:
    """Deploy to a resource group; `first` creates what later deployments update.

    Raises:
        DeployError: a command or the migration failed; what was there before answers on.
    """
    paths = {
        name: str(rendered(FILES / f"{name}.yaml", place.values, release, directory))
        for name in ("migrate", "service", "monitoring")
    }
    how = "create" if first else "update"
    where = ["--subscription", place.subscription, "--resource-group", place.group]
    az = ["az", "containerapp"]
    run([*az, "job", how, "--name", JOB, *where, "--yaml", paths["migrate"]], "")
    _migrate([*az, "job"], where, run)
    for name in ("service", "monitoring"):
        run([*az, how, "--name", f"perennial-{name}", *where, "--yaml", paths[name]], "")


def _migrate(job: list[str], where: list[str], run: Run) -> None:
    named = ["--name", JOB, *where]
    execution = run([*job, "start", *named, "--query", "name", "--output", "tsv"], "").strip()
    look = [*job, "execution", "show", *named, "--job-execution-name", execution or "EXECUTION"]
    for _ in range(MOST_LOOKS):
        state = run([*look, "--query", "properties.status", "--output", "tsv"], "").strip()
        if state in ("Succeeded", ""):
            return
        if state in ("Failed", "Stopped", "Degraded"):
            raise DeployError(f"the migration ended as {state}: az containerapp job logs show")
        time.sleep(SECONDS)
    raise DeployError(f"the migration had not ended after {MOST_LOOKS * SECONDS} s")

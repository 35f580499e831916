"""Deploy a release, by digest, where the clouds' own tools are logged in: `make deploy-...`.

`--dry-run` prints every command and runs none.
"""

import argparse
import re
import sys
from pathlib import Path

from deploy.targets import azure, cloudrun, ecs, kubernetes
from deploy.targets.commands import DeployError, Release, Run, only_print, really

DIRECTORY = Path("build/targets")
DIGEST = re.compile(r"[^\s@]+@sha256:(?!0{64})[0-9a-f]{64}")


def _image(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME@sha256:...; a tag may be moved between the test and the deploy"
        )
    return text


def _parser() -> argparse.ArgumentParser:
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("--image", type=_image, required=True, help="perennial/service, by digest")
    every.add_argument("--monitoring-image", type=_image, required=True, help="by digest")
    every.add_argument("--dry-run", action="store_true", help="print the commands only")
    parser = argparse.ArgumentParser(prog="python -m deploy.targets", description=__doc__)
    targets = parser.add_subparsers(dest="target", required=True)
    cluster = targets.add_parser("kubernetes", parents=[every])
    cluster.add_argument("--place", choices=sorted(kubernetes.NAMESPACES), default="staging")
    aws = targets.add_parser("ecs", parents=[every])
    aws.add_argument("--cluster", default="perennial", help="Terraform's var.name")
    google = targets.add_parser("cloudrun", parents=[every])
    google.add_argument("--project", required=True)
    google.add_argument("--region", required=True)
    microsoft = targets.add_parser("azure", parents=[every])
    for name in ("subscription", "group", "location", "registry", "vault"):
        microsoft.add_argument(f"--{name}", required=True)
    microsoft.add_argument("--first", action="store_true", help="create what is not there yet")
    return parser


def deploy(given: argparse.Namespace, run: Run) -> None:
    """Deploy what the arguments say.

    Raises:
        DeployError: see the target's module.
    """
    release = Release(given.image, given.monitoring_image)
    if given.target == "kubernetes":
        kubernetes.deploy(release, given.place, run)
    elif given.target == "ecs":
        ecs.deploy(release, given.cluster, run)
    elif given.target == "cloudrun":
        cloudrun.deploy(release, given.project, given.region, run, DIRECTORY / "cloudrun")
    else:
        place = azure.Place(
            given.subscription, given.group, given.location, given.registry, given.vault
        )
        azure.deploy(release, place, run, DIRECTORY / "azure", first=given.first)


def main() -> None:
    given = _parser().parse_args()
    try:
        deploy(given, only_print if given.dry_run else really)
    except (DeployError, OSError) as error:
        sys.exit(f"deploy-{given.target}: {error}")


if __name__ == "__main__":
    main()

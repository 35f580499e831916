"""Images of others: pulled where a registry is reached, else stand-ins of Debian's packages."""

import shutil
import subprocess
from pathlib import Path

BASE = "python:3.11-slim-bookworm"
IMAGES = Path(__file__).parent / "images"
CADDY = Path(".venv-delivery/bin/caddy")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# What docker-compose.yml asks for, and the directory and arguments that stand in for it.
STAND_INS = {
    "PERENNIAL_POSTGRES_IMAGE": ("postgres", []),
    "PERENNIAL_PROMETHEUS_IMAGE": ("prometheus", []),
    "PERENNIAL_ALERTMANAGER_IMAGE": ("prometheus", ["PROCESS=prometheus-alertmanager"]),
    "PERENNIAL_BLACKBOX_IMAGE": ("prometheus", ["PROCESS=prometheus-blackbox-exporter"]),
    "PERENNIAL_CADDY_IMAGE": ("caddy", []),
}


def docker(*arguments: str, check: bool = True) -> str:
    found = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if check and found.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {found.stderr.strip()}")
    return found.stdout.strip()


def have_base(work: Path) -> bool:
    """Make the base image if it can neither be found nor pulled; returns whether it is real."""
    if docker("image", "inspect", BASE, check=False) not in ("", "[]"):
        return "stand-in" not in docker("image", "inspect", "--format", "{{.Config.Labels}}", BASE)
    if subprocess.run(["docker", "pull", "-q", BASE], capture_output=True).returncode == 0:
        return True
    sources = next(p for p in map(Path, ("/etc/apt/sources.list.d/debian.sources",
                                         "/etc/apt/sources.list")) if p.exists())  # fmt: skip
    archive = work / "base.tar"
    include = "ca-certificates,python3,python3-venv,python3-pip-whl,python3-pip"
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root",
                    f"--include={include}", "bookworm", archive, sources], check=True)  # fmt: skip
    docker("import", str(archive), "stand-in/debian:1")
    archive.unlink()
    context = work / "python"
    shutil.copytree(IMAGES / "python", context)
    _add_host(context)
    docker("build", "--quiet", "--network=host", "--tag", BASE, str(context))
    return False


def _add_host(context: Path) -> None:
    """This machine's certificates and pip's configuration: its way to the packages."""
    shutil.copy(CERTIFICATES.resolve(), context / "ca-certificates.crt")
    configured = Path("/etc/pip.conf")
    (context / "pip.conf").write_bytes(configured.read_bytes() if configured.exists() else b"")


def make_stand_ins(work: Path) -> dict[str, str]:
    """Build what stands in for images of others; returns docker-compose.yml's variables."""
    found = {}
    for variable, (name, arguments) in STAND_INS.items():
        context = work / name
        shutil.copytree(IMAGES / name, context, dirs_exist_ok=True)
        if name == "caddy":
            shutil.copy(CADDY, context)
        tag = f"stand-in/{variable.split('_')[1].lower()}:1"
        options = [part for argument in arguments for part in ("--build-arg", argument)]
        docker("build", "--quiet", "--network=host", "--tag", tag, *options, str(context))
        found[variable] = tag
    return found

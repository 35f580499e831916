"""A Dask cluster for searches and scoring, where DASK_SCHEDULER_ADDRESS names one.

Nothing of Dask is imported otherwise. The project's own code is sent to the workers; libraries,
of the same versions, are theirs to have (docs/scoring.md).
"""

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import joblib

if TYPE_CHECKING:
    from distributed import Client

ADDRESS = "DASK_SCHEDULER_ADDRESS"
CONNECT_SECONDS = 30
PACKAGES = ("contracts", "pipeline")
ARCHIVE = "perennial-"
_DATE = (1980, 1, 1, 0, 0, 0)


class ClusterError(RuntimeError):
    """The cluster cannot be used; the message names the remedy."""


@contextmanager
def search_backend(environ: Mapping[str, str]) -> Iterator[None]:
    """Let scikit-learn's searches fit on the cluster, if one is named; the results are the same.

    What is searched travels to the workers: scorers must be picklable.

    Raises:
        ClusterError: Dask is not installed, or the cluster cannot be reached or lacks this code.
    """
    address = environ.get(ADDRESS)
    if not address:
        yield
        return
    with connect(address), joblib.parallel_config(backend="dask"):
        yield


@contextmanager
def connect(address: str) -> Iterator["Client"]:
    """A client of the cluster, whose workers then have this code.

    Raises:
        ClusterError: as search_backend.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ClusterError(
            f"{ADDRESS} is set, but {error.name} is not installed; install "
            "requirements/extras.txt, or unset the variable"
        ) from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ClusterError(f"{ADDRESS}: no scheduler answers at {address}: {error}") from None
    with client:
        _share_code(client)
        yield client


def code_digest() -> str:
    """Digest of the project's code as this process has loaded it."""
    root = Path(__file__).parent.parent
    if root.suffix == ".zip":  # a worker that got it from _share_code
        return root.stem.removeprefix(ARCHIVE)
    found = hashlib.sha256()
    for path in _sources(root):
        found.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return found.hexdigest()


def _share_code(client: "Client") -> None:
    expected, root = code_digest(), Path(__file__).parent.parent
    with TemporaryDirectory() as directory:
        archive = Path(directory) / f"{ARCHIVE}{expected}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for path in _sources(root):
                name = path.relative_to(root).as_posix()
                file.writestr(zipfile.ZipInfo(name, _DATE), path.read_bytes())
        client.upload_file(str(archive))  # workers that come later get it as well
    try:
        digests = client.run(code_digest)
    except ModuleNotFoundError as error:
        raise ClusterError(
            f"the workers lack {error.name}; install requirements/train.txt and "
            "requirements/extras.txt there"
        ) from None
    other = sorted(worker for worker, found in digests.items() if found != expected)
    if other:
        raise ClusterError(f"the workers {other} still run another version; restart them")


def _sources(root: Path) -> list[Path]:
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))

"""One engine for all tests of the stack, with the images of this checkout and those of others."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.images import TARGETS, build
from tests.stack.compose import COMPOSE
from tests.stack.engine import NoEngineError, engine
from tests.stack.stand_ins import BASE, have_base, make_stand_ins


@pytest.fixture(scope="session")
def real_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bool]:
    """An engine that has the base image; whether it is Docker's own."""
    if not Path("build/bundle/manifest.json").exists() or not COMPOSE.exists():
        pytest.skip("`make stack-test` trains and installs what this needs")
    work = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch:
        try:
            with engine(work / "private") as host:
                if host:
                    patch.setenv("DOCKER_HOST", host)
                patch.setenv("BUILD_NETWORK", "host")
                yield have_base(work)
        except NoEngineError as error:
            sys.stderr.write(f"\nIMAGES AND STACK NOT TESTED: {error}\n")
            pytest.skip(str(error))


@pytest.fixture(scope="session")
def service(real_base: bool) -> str:
    """The service's image, made of this checkout."""
    build("service", "latest", BASE, "")
    return "perennial/service:latest"


@pytest.fixture(scope="session")
def others(real_base: bool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """docker-compose.yml's variables for images of others; none where they can be pulled."""
    return {} if real_base else make_stand_ins(tmp_path_factory.mktemp("stand-ins"))


@pytest.fixture(scope="session")
def images(service: str, others: dict[str, str]) -> dict[str, str]:
    """Every image of docker-compose.yml; the variables that name those of others."""
    for target in set(TARGETS) - {"service"}:
        build(target, "latest", BASE, "")
    return others

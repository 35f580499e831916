"""Whether traces are wanted: OpenTelemetry's own variables decide, none of ours."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.observe.tracing import Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class TracingMissingError(RuntimeError):
    """Traces are wanted and cannot be made."""

    def __init__(self, variable: str) -> None:
        super().__init__(
            f"{variable} asks for traces, and OpenTelemetry is not installed; install "
            "requirements/otel.txt or unset it"
        )


def traces_wanted(
    environment: Mapping[str, str], find: Callable[[str], object] = find_spec
) -> bool:
    """Whether an endpoint for traces is set and the SDK is not switched off.

    Raises:
        TracingMissingError: the packages are not installed.
    """
    named = next((name for name in ENDPOINTS if environment.get(name)), None)
    if named is None or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    try:
        missing = any(find(package) is None for package in PACKAGES)
    except ModuleNotFoundError:  # not even a package that these are in
        missing = True
    if missing:
        raise TracingMissingError(named)
    return True


def find_tracing(environment: Mapping[str, str]) -> "Tracing | None":
    """What makes spans; None = nobody wants them.

    Raises:
        TracingMissingError: as traces_wanted.
    """
    if not traces_wanted(environment):
        return None
    from service.observe.tracing import Tracing  # an extra that is not everywhere

    return Tracing(environment)

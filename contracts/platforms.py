"""What Vertex AI and SageMaker tell a container through variables of their own."""

from collections.abc import Mapping
from typing import Any

EVERYWHERE = "0.0.0.0"  # noqa: S104  # behind the platform's own door
_VERTEX = {
    "AIP_HTTP_PORT": "port",
    "AIP_PREDICT_ROUTE": "predict_route",
    "AIP_HEALTH_ROUTE": "health_route",
}


def platform_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Settings that the platform prescribes; empty where none runs this process.

    It reaches the container from outside, so where it names a port, every address is listened on.
    """
    if "AIP_HTTP_PORT" in environment:
        given = {ours: environment[name] for name, ours in _VERTEX.items() if name in environment}
        return {"platform": "vertex", "host": EVERYWHERE, **given}
    if "SAGEMAKER_BIND_TO_PORT" in environment:
        port = environment["SAGEMAKER_BIND_TO_PORT"]
        return {"platform": "sagemaker", "host": EVERYWHERE, "port": port}
    # A notebook has such variables too, and must not be opened to its network.
    if any(name.startswith("SAGEMAKER_") for name in environment):
        return {"platform": "sagemaker"}
    return {}

"""What really disables one link, in the throw-away copy: its parameters, settings or processes.

Nothing here changes what the drill asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NEVER = 1e9


@dataclass(frozen=True)
class Cut:
    """What a cut changes.

    Attributes:
        params: laid over params.yaml.
        settings: laid over the environment.
        starts: whether the scheduler is started, restarts: and again after it has died.
        rules: whether the Prometheus rules hold the dead-man's switch.
    """

    told: str
    params: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    starts: bool = True
    restarts: bool = True
    rules: bool = True


def _monitoring(**sections: Any) -> dict[str, Any]:
    return {"monitoring": sections}


NONE = Cut("nothing is cut")
CUTS: dict[str, Cut] = {
    "heartbeat": Cut("the scheduler is never started", starts=False),
    "calm": Cut("any performance counts as worse", _monitoring(policy={"performance_t": -NEVER})),
    "spool": Cut("the spool may hold one byte", settings={"spool_max_bytes": 1}),
    "alarm": Cut("no performance counts as worse", _monitoring(policy={"performance_t": NEVER})),
    "alert": Cut("alerts have no address", settings={"alert_urls": ""}),
    "governor": Cut(
        "the governor waits for a billion outcomes", _monitoring(policy={"min_outcomes": 10**9})
    ),
    "retrain": Cut("retrains find no repository", settings={"project_dir": "/nonexistent"}),
    "gate": Cut("no challenger is good enough", _monitoring(gate={"min_t": NEVER})),
    "swap": Cut(
        "the service asks once a day who is champion", settings={"champion_poll_seconds": 86400.0}
    ),
    "refusal": Cut(
        "every challenger is good enough", _monitoring(gate={"min_t": -NEVER, "segments": None})
    ),
    "probation": Cut("nobody is on probation", _monitoring(probation=None)),
    "deadman": Cut("the rules lack the dead-man's switch", rules=False),
    "recovery": Cut("nobody starts the scheduler again", restarts=False),
}

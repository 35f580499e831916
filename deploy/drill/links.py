"""The links of the loop, in the order in which they are tried; each needs those before it."""

from collections.abc import Callable, Mapping

from deploy.drill.data_links import calm, spool
from deploy.drill.model_links import alarm, alert, gate, governor, probation, refusal, retrain, swap
from deploy.drill.scheduler_links import deadman, heartbeat, recovery
from deploy.drill.stage import Stage

LINKS: Mapping[str, Callable[[Stage], str]] = {
    link.__name__: link
    for link in (
        heartbeat, calm, spool, alarm, alert, governor, retrain, gate, swap, refusal, probation,
        deadman, recovery,
    )
}  # fmt: skip

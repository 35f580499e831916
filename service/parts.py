"""What routes are given: the parts that create_app put together."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends, Request, Response
from sqlalchemy import Engine

from contracts.settings import Settings
from service.access.access import Access
from service.access.limits import Limits
from service.answer.answering import Answering
from service.answer.explain import Explainer
from service.border.journal import Journal
from service.ledger.ledger import Ledger
from service.observe.metrics import Metrics
from service.observe.quality import Quality
from service.observe.shared_metrics import SharedMetrics
from service.observe.vitals import Vitals
from service.trying.scoring import Scorings
from service.versions.champion import ChampionWatcher
from service.versions.shadow import Shadow

if TYPE_CHECKING:  # an extra: requirements/otel.txt
    from service.observe.tracing import Tracing


@dataclass(frozen=True)
class Parts:
    settings: Settings
    engine: Engine
    metrics: Metrics
    ledger: Ledger
    watcher: ChampionWatcher
    answering: Answering
    scorings: Scorings
    shadow: Shadow
    vitals: Vitals
    access: Access
    limits: Limits
    journal: Journal | None
    clock: Callable[[], datetime]
    explainer: Explainer
    shared: SharedMetrics | None  # of several workers
    quality: Quality | None  # of the first worker
    tracing: "Tracing | None"


def get_parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(get_parts)]


def json_response(content: Any, status: int = 200) -> Response:
    """JSON from dicts, dataclasses and datetimes."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")

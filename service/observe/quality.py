"""How well the answers turned out: gauges from the newest outcomes and predictions.

A thread looks every half minute, in small steps, so that no request waits for it. In the database
are the rows of every worker and replica, so one worker's look is enough.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine, Float, Row, cast, func, select
from sqlalchemy.exc import SQLAlchemyError

from contracts.schema import Target
from contracts.tables import outcomes, predictions
from service.observe.checks import check_gauges
from service.observe.judging import Judged, judge
from service.observe.metrics import KEPT_VERSIONS, Metrics
from service.observe.monitor_state import monitor_gauges

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
STOP_SECONDS = 2.0
OUTCOMES_ROWS = 20_000
OUTCOMES_AGE = timedelta(days=7)  # since they were recorded
PREDICTIONS_ROWS = 20_000
PREDICTIONS_AGE = timedelta(hours=1)
STEP_ROWS = 500
STEP_PAUSE_SECONDS = 0.02
# On PostgreSQL a smaller outcome_id may be committed after a larger one.
OVERLAP_ROWS = 500

# metric, help, attribute of Judged; absent where the task has no such figure
_MEANS = (
    ("perennial_quality_loss", "Mean log-loss in nats, or absolute error of a regression", "loss"),
    ("perennial_quality_accuracy", "Share of classes that were right", "right"),
    ("perennial_quality_bias", "Mean of predicted minus observed", "bias"),
)


class Quality(Collector):
    """The newest judged rows, and the mix of the newest predictions.

    Args:
        target_of: what a version predicts; None = its bundle cannot be read.
        clock: aware UTC.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        target_of: Callable[[str], Target | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._target_of = target_of
        self._clock = clock
        self._judged: dict[str, Judged] = {}  # by prediction, the latest judged last
        self._last = -1  # outcome_id
        self._mix: list[tuple[str, str, float]] = []  # version, class, share
        self._means: list[tuple[str, float]] = []  # version, mean of a regression
        self._checks: list[Metric] = []
        self._shown: list[Metric] = []
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="quality", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; a database that does not answer is not waited for."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def collect(self) -> Iterable[Metric]:
        """What Prometheus' client asks for at every scrape; asks no database."""
        return self._shown

    def look(self) -> None:
        """Read what is new; a database that is away leaves what was known."""
        try:
            self._read_outcomes()
            with self._engine.connect() as connection:
                self._read_mix(connection)
                self._checks = [*check_gauges(connection), *monitor_gauges(connection)]
        except SQLAlchemyError as error:
            log.warning("quality could not be measured: %s", type(error).__name__)
            self._metrics.errors.labels("quality").inc()
        self._shown = [*self._judged_gauges(), *self._mix_gauges(), *self._checks]

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(LOOK_SECONDS)

    def _read_outcomes(self) -> None:
        with self._engine.connect() as connection:
            newest = connection.execute(select(func.max(outcomes.c.outcome_id))).scalar() or 0
        start = max(self._last - OVERLAP_ROWS, newest - OUTCOMES_ROWS)
        while start < newest and not self._stop.is_set():
            with self._engine.connect() as connection:
                rows = _outcomes_after(connection, start)
            self._remember(rows)
            start = rows[-1].outcome_id if rows else newest
            self._stop.wait(STEP_PAUSE_SECONDS)
        self._last = max(self._last, newest)

    def _remember(self, rows: Sequence[Row[Any]]) -> None:
        for version in {row.model_version for row in rows}:
            target = self._target_of(version)
            if target is None:
                continue
            for one in judge(target, version, [r for r in rows if r.model_version == version]):
                before = self._judged.pop(one.prediction_id, one)
                self._judged[one.prediction_id] = max(before, one, key=lambda j: j.outcome_id)
        for prediction_id in list(self._judged)[: max(0, len(self._judged) - OUTCOMES_ROWS)]:
            del self._judged[prediction_id]

    def _judged_gauges(self) -> Iterator[Metric]:
        since = self._clock() - OUTCOMES_AGE
        by_version: dict[str, list[Judged]] = {}
        for one in reversed(self._judged.values()):
            if one.recorded_at >= since and (one.version in by_version or _room(by_version)):
                by_version.setdefault(one.version, []).append(one)
        rows = GaugeMetricFamily(
            "perennial_quality_rows", "Rows with an outcome that were judged", labels=["version"]
        )
        for version, judged in by_version.items():
            rows.add_metric([version], len(judged))
        yield rows
        for name, text, attribute in _MEANS:
            family = GaugeMetricFamily(name, text, labels=["version"])
            for version, judged in by_version.items():
                values = [v for v in (getattr(one, attribute) for one in judged) if v is not None]
                if values:
                    family.add_metric([version], sum(values) / len(values))
            yield family

    def _read_mix(self, connection: Connection) -> None:
        kept = ("model_version", "prediction", "predicted_at")
        newest = (
            select(*(predictions.c[name] for name in kept))
            .order_by(predictions.c.prediction_id.desc())  # UUIDs of version 7 are in time's order
            .limit(PREDICTIONS_ROWS)
            .subquery()
        )
        recent = newest.c.predicted_at >= self._clock() - PREDICTIONS_AGE
        version = newest.c.model_version
        totals = select(version, func.count()).where(recent).group_by(version)
        self._mix, self._means = [], []
        for name, rows in connection.execute(totals).all()[:KEPT_VERSIONS]:
            target = self._target_of(name)
            own = recent & (version == name)
            if target is None:
                continue
            if target.task == "regression":
                mean = select(func.avg(cast(newest.c.prediction, Float))).where(own)
                self._means.append((name, float(connection.execute(mean).scalar_one())))
            else:
                label = newest.c.prediction
                classes = select(label, func.count()).where(own).group_by(label)
                for text, number in connection.execute(classes):
                    self._mix.append((name, str(json.loads(text)), number / rows))

    def _mix_gauges(self) -> Iterator[Metric]:
        shares = GaugeMetricFamily(
            "perennial_quality_prediction_share",
            "Share of each class among the last hour's newest predictions",
            labels=["version", "prediction"],
        )
        for version, label, share in self._mix:
            shares.add_metric([version, label], share)
        yield shares
        means = GaugeMetricFamily(
            "perennial_quality_prediction_mean",
            "Mean of a regression's newest predictions of the last hour",
            labels=["version"],
        )
        for version, mean in self._means:
            means.add_metric([version], mean)
        yield means


def _room(by_version: dict[str, list[Judged]]) -> bool:
    return len(by_version) < KEPT_VERSIONS


def _outcomes_after(connection: Connection, outcome_id: int) -> list[Row[Any]]:
    query = (
        select(
            outcomes.c.outcome_id,
            outcomes.c.prediction_id,
            outcomes.c.outcome,
            outcomes.c.recorded_at,
            predictions.c.model_version,
            predictions.c.prediction,
            predictions.c.probability,
            predictions.c.scores,
        )
        .join(predictions, predictions.c.prediction_id == outcomes.c.prediction_id)
        .where(outcomes.c.outcome_id > outcome_id)
        .order_by(outcomes.c.outcome_id)
        .limit(STEP_ROWS)
    )
    return list(connection.execute(query))

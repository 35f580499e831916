"""The section `monitoring` of params.yaml: what checks look at, and what may follow from them."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from contracts.params_section import Section, Share

Blocks = Literal["days", "hours", "rows"]


class Policy(Section):
    min_rows: PositiveInt
    min_outcomes: PositiveInt
    min_outcome_days: PositiveInt
    min_days: Annotated[int, Field(ge=2)]
    cooldown_days: Annotated[int, Field(ge=0)]
    retrain_every_days: PositiveInt | None = None
    retrain_every_outcomes: PositiveInt | None = None
    retrain_schedule: Annotated[str, Field(pattern=r"^\S+( +\S+){4}$")] | None = None
    debounce_checks: PositiveInt = 1
    most_per_day: PositiveInt | None = 2
    most_per_30_days: PositiveInt | None = 8
    performance_t: float


class DriftParams(Section):
    """What a check of the inputs promises, and which rows depend on each other.

    `blocks`: None = rows without a timestamp are independent, others depend on their day.
    `reference`: the rows that training has seen, or those of them from the window's season: at most
    `season_days` of the year before or after its middle.
    """

    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)] = 0.01
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05
    least_effect: Share = 0.02
    blocks: Blocks | None = None
    reference: Literal["training", "same_season"] = "training"
    season_days: Annotated[int, Field(ge=1, le=182)] = 45


class EstimateParams(Section):
    """How performance is estimated before outcomes arrive.

    `mature_days`: how long outcomes take; those of younger rows are left out, as they may not be
    like the rest. The others are followed over the newest `lasting_days` that have any, and what is
    left over `recent_days`.
    """

    mature_days: Annotated[int, Field(ge=0)] = 1
    lasting_days: PositiveInt = 14
    recent_days: PositiveInt = 3
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.95


class Reliance(Section):
    """When a challenger counts as having forgotten a column on which the champion relies.

    `least`: what the column saves the champion on golden rows, as share of its loss there; `share`:
    the challenger's answers hang less than so much as the champion's on it.
    """

    least: Annotated[float, Field(gt=0)] = 0.02
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1


class GoldenGate(Section):
    """What a challenger may cost on the golden rows, and what it may gain elsewhere alone.

    Beyond both `max_cost` (share of the champion's loss there) and `max_t` (over blocks) it is
    refused. A gain on outcomes is believed up to `believed` of the loss, and `per_gain` times
    what it also gains on golden rows.
    """

    max_cost: Annotated[float, Field(ge=0)] = 0.005
    max_t: float = 1.0
    believed: Annotated[float, Field(ge=0)] = 0.015
    per_gain: Annotated[float, Field(ge=0)] = 12.0
    reliance: Reliance | None = Reliance()  # none: only losses are compared there


class SegmentGate(Section):
    """What a challenger may cost in a large segment; beyond both, it is refused.

    `min_share`: of rows, smaller segments are not looked at; `max_cost`: share of the champion's
    loss; `level`: chance that equal models are refused, over all segments.
    """

    min_share: Share = 0.05
    max_cost: Annotated[float, Field(ge=0)] = 0.02
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05


class Gate(Section):
    min_days: Annotated[int, Field(ge=2)]
    min_rows: PositiveInt
    min_t: float
    segments: SegmentGate | None = SegmentGate()  # none: only the whole is judged
    golden: GoldenGate = GoldenGate()


class Canary(Section):
    """How a challenger that the gate lets pass is tried on live requests; docs/adr/0035.

    It answers `share` of the requests for at least `hours`, and until `min_rows` of them, and of
    all rows with a mature outcome, are there; what is known after `most_hours` has to do.
    `max_cost` is a share of the champion's loss, `max_refused` one of the canary's requests.
    """

    share: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    entity: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    hours: PositiveInt = 24
    most_hours: PositiveInt = 168
    min_rows: PositiveInt = 200
    mature_hours: Annotated[int, Field(ge=0)] = 8
    max_cost: Annotated[float, Field(ge=0)] = 0.01
    max_t: Annotated[float, Field(gt=0)] = 2.0
    max_refused: Share = 0.1

    @model_validator(mode="after")
    def _ends_after_it_may(self) -> "Canary":
        if self.most_hours < self.hours:
            raise ValueError(f"most_hours {self.most_hours} is less than hours {self.hours}")
        return self


class Promotion(Section):
    """What follows a gate's yes: promotion at once, a canary first, or a person's word."""

    mode: Literal["automatic", "canary", "person"] = "automatic"
    canary: Canary = Canary()


class Retrain(Section):
    """Where a challenger is trained: here, or by a workflow in GitHub Actions (docs/adr/0030)."""

    deadline_minutes: PositiveInt
    mode: Literal["local", "github"] = "local"


class Recalibrate(Section):
    """How the champion's answers follow the newest outcomes; docs/adr/0027."""

    schedule: str = "30 */6 * * *"
    days: PositiveInt = 3
    mature_hours: PositiveInt = 8
    min_rows: PositiveInt = 500
    ridge: Annotated[float, Field(gt=0)] = 300.0
    least_change: Annotated[float, Field(ge=0)] = 0.1
    judged_days: PositiveInt = 28
    min_days: Annotated[int, Field(ge=2)] = 3
    min_t: float = -1.0


class Update(Section):
    """How a champion that has partial_fit goes on learning; docs/updates.md."""

    schedule: str = "0 5 * * 1"
    mature_hours: PositiveInt = 8
    judged_days: PositiveInt = 28
    cooldown_days: Annotated[int, Field(ge=0)] = 7


class ErrorLimits(Section):
    """Requests that a version's model did not answer, beside another version's.

    `least_share`: of requests, more than the other's, that both intervals have to leave between
    them; `min_failed` requests in `min_minutes` different minutes: fewer are no judgement.
    """

    least_share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    min_failed: PositiveInt = 10
    min_minutes: PositiveInt = 3


class LatencyLimits(Section):
    """Times to answer, beside another version's.

    `ratio`, `least_ms`: of the time that one request in twenty exceeds, and both have to be
    exceeded; `minutes`: the newest so many are judged, joined where they have fewer than
    `min_requests`.
    """

    ratio: Annotated[float, Field(gt=1)] = 2.0
    least_ms: Annotated[float, Field(ge=0)] = 5.0
    minutes: Annotated[int, Field(ge=2)] = 10
    min_requests: PositiveInt = 20


class VitalsLimits(Section):
    """What a version is judged by within minutes; none of one = it is not looked at."""

    errors: ErrorLimits | None = ErrorLimits()
    latency: LatencyLimits | None = LatencyLimits()


class ShiftLimits(Section):
    """How far a champion's answers may be from its predecessor's to the same rows.

    Each limit alone: `max_mean` difference of a probability; `max_variation`, 0 to 1, of their
    distributions at the same level; `min_rank`, the correlation of their ranks.
    """

    min_rows: PositiveInt = 500
    max_mean: Annotated[float, Field(gt=0)] = 0.4
    max_variation: Annotated[float, Field(gt=0, le=1)] = 0.7
    min_rank: Annotated[float, Field(ge=-1, lt=1)] = 0.2


class EstimateLimits(Section):
    """What a champion may be estimated to cost, as a share of its predecessor's estimated loss."""

    min_rows: PositiveInt = 500
    max_cost: Annotated[float, Field(gt=0)] = 0.35


class Probation(Section):
    """How a promoted challenger is watched; docs/adr/0028 and 0034.

    `schedule`: of looks at what is known before outcomes come, over the newest `hours`.
    """

    days: PositiveInt = 28
    min_days: Annotated[int, Field(ge=2)] = 7
    mature_hours: PositiveInt = 8
    max_t: float = 2.0
    schedule: str = "*/5 * * * *"
    hours: PositiveInt = 24
    vitals: VitalsLimits = VitalsLimits()
    shift: ShiftLimits | None = ShiftLimits()
    estimate: EstimateLimits | None = EstimateLimits()


class ReportsParams(Section):
    """Which reports stay on disk: the newest, as long as they are not too old."""

    keep: PositiveInt = 200
    keep_days: PositiveInt = 90


class Retention(Section):
    """How long predictions are kept, and how many; None = for ever, and all.

    `bundle_days`: files of versions that are older go, unless something refers to them;
    `vitals_days`: what versions did, minute by minute.
    """

    days: PositiveInt | None = None
    rows: PositiveInt | None = None
    bundle_days: PositiveInt | None = None
    vitals_days: PositiveInt = 60


class Monitoring(Section):
    """What checks look at, and what they may ask for.

    `window`: sliding ones end when they are checked; tumbling ones at whole multiples of
    `window_days` since a Monday, and each is judged once.
    `window_rows`: a window holds at most so many rows, the newest of `window_days`; None = all.
    """

    schedule: str
    window: Literal["sliding", "tumbling"] = "sliding"
    window_days: PositiveInt
    window_rows: PositiveInt | None = None
    performance_days: PositiveInt
    max_rows: PositiveInt
    drift: DriftParams = DriftParams()
    reports: ReportsParams = ReportsParams()
    estimate: EstimateParams = EstimateParams()
    policy: Policy
    gate: Gate
    promotion: Promotion = Promotion()
    retrain: Retrain
    probation: Probation | None = None  # none: what was promoted stays
    recalibrate: Recalibrate | None = None  # none: only retrains follow the outcomes
    update: Update | None = None  # none: only when a person asks for it
    retention: Retention = Retention()

    @property
    def longest_days(self) -> int:
        """How far back anything here looks at predictions."""
        # A tumbling window is the newest until the next has ended.
        window = self.window_days * (2 if self.window == "tumbling" else 1)
        days = window + self.performance_days, self.policy.min_outcome_days  # harm, beside before
        before = self.recalibrate.days if self.recalibrate else 0
        followed = self.recalibrate.judged_days + before if self.recalibrate else 0
        watched = self.probation.days if self.probation else 0
        held = self.update.judged_days + 1 if self.update else 0
        is_tried = self.promotion.mode == "canary"
        tried = self.promotion.canary.most_hours // 24 + 2 + before if is_tried else 0
        return max(*days, self.gate.min_days, followed, watched, held, tried)

    @model_validator(mode="after")
    def _updates_can_be_judged(self) -> "Monitoring":
        if self.update is not None and self.update.judged_days < self.gate.min_days:
            raise ValueError(
                f"update.judged_days {self.update.judged_days} is less than gate.min_days "
                f"{self.gate.min_days}: no update could pass"
            )
        return self

    @model_validator(mode="after")
    def _vitals_outlast_probation(self) -> "Monitoring":
        if self.probation is not None and self.retention.vitals_days <= self.probation.days:
            raise ValueError(
                f"retention.vitals_days {self.retention.vitals_days} is no more than "
                f"probation.days {self.probation.days}: a predecessor's figures would be gone"
            )
        return self

    @model_validator(mode="after")
    def _what_is_looked_at_is_kept(self) -> "Monitoring":
        days = self.retention.days
        if days is not None and days < self.longest_days:
            raise ValueError(
                f"retention.days {days} is less than {self.longest_days}, the longest of "
                "what checks, retrains, updates, canaries, probation and recalibration look back: "
                "checks would miss what they judge"
            )
        return self

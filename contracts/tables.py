"""The database's tables, the same on SQLite and PostgreSQL. migrations/ creates them.

JSON lives in text columns: nothing queries inside it, and text is the same everywhere.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)
# Autoincrement needs exactly INTEGER on SQLite.
_Counter = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in, aware UTC datetimes out, on databases that forget the zone too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC.

        Raises:
            ValueError: the datetime is naive.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value}; attach its time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# The random end of an id, and what is below it: every 8th row, every 64th and so on. On PostgreSQL
# an index holds the event times of each such sample, so that a window of any size is sampled in a
# short range of one of them; on SQLite they would slow down every answer (docs/adr/0031).
SAMPLE_KEY = "substr(prediction_id, 29)"
SAMPLES = {8: "2", 64: "04", 512: "008", 4096: "001"}


def is_sampled(every: int) -> str:
    """SQL: whether a prediction is in the sample of every 8th row, or of another of SAMPLES."""
    return f"{SAMPLE_KEY} < '{SAMPLES[every]}'"


# One row per answered row; written only by service/ledger/ledger.py, before the answer leaves.
predictions = Table(
    "predictions",
    metadata,
    Column("prediction_id", String(36), primary_key=True),  # UUIDv7
    Column("predicted_at", UtcDateTime, nullable=False),
    Column("event_time", UtcDateTime, nullable=False),  # when the question arose
    Column("model_version", String(64), nullable=False),
    Column("features", Text, nullable=False),  # JSON object, name -> value or null
    Column("prediction", Text, nullable=False),  # JSON scalar, a class or a regression's value
    Column("probability", Float),  # of the positive, or the predicted class; null = regression
    # JSON list: the probability of each of many classes, or a regression's interval
    Column("scores", Text),
    Index("ix_predictions_event_time", "event_time"),
    *(
        Index(
            f"ix_predictions_sample_{every}",
            "event_time",
            postgresql_where=text(is_sampled(every)),
        ).ddl_if(dialect="postgresql")
        for every in SAMPLES
    ),
)

# Append-only; of several rows for one prediction the last outcome_id wins.
outcomes = Table(
    "outcomes",
    metadata,
    Column("outcome_id", _Counter, primary_key=True, autoincrement=True),
    Column("prediction_id", String(36), nullable=False, index=True),
    Column("outcome", Text, nullable=False),  # JSON scalar, a class or a number
    Column("observed_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

# One row per registered bundle.
model_versions = Table(
    "model_versions",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("trained_from", UtcDateTime, nullable=False),
    Column("trained_until", UtcDateTime, nullable=False),
    Column("metrics", Text, nullable=False),  # JSON object
    Column("made", Text, nullable=False),  # JSON object: when, where and from which commit
)

# Append-only history; the last row says who is champion.
stage_changes = Table(
    "stage_changes",
    metadata,
    Column("change_id", _Counter, primary_key=True, autoincrement=True),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("action", String(16), nullable=False),  # promote | rollback
    Column("version", String(64), nullable=False),  # champion after the change
    Column("previous_version", String(64)),  # champion before it
    Column("actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_autoincrement=True,
)

# One row per run of monitoring.
checks = Table(
    "checks",
    metadata,
    Column("check_id", String(36), primary_key=True),
    Column("checked_at", UtcDateTime, nullable=False, index=True),
    Column("window_from", UtcDateTime, nullable=False),
    Column("window_to", UtcDateTime, nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("outcomes", Integer, nullable=False),
    Column("drift_share", Float),  # null = not judged
    Column("performance_t", Float),  # null = not judged
    Column("decision", String(16), nullable=False),  # retrain | keep
    Column("reason", Text, nullable=False),
    Column("findings", Text, nullable=False),  # JSON object
    Column("report", String(200)),  # file name in the reports directory
)

AWAITING = "awaiting"  # the state of a retrain that the gate lets pass, until a person promotes it
CANARY = "canary"  # the same, while a share of the requests tries it (monitoring/canary.py)
# One row per retrain, or update (its decision's action says so): started -> trained -> promoted |
# rejected, or failed; or, where a person promotes, -> awaiting -> promoted | superseded; or, where
# a canary comes first, -> canary -> promoted | rejected, or superseded if somebody ended it.
retrains = Table(
    "retrains",
    metadata,
    Column("retrain_id", String(36), primary_key=True),
    Column("check_id", String(36)),  # null = asked for by a person
    Column("started_at", UtcDateTime, nullable=False, index=True),
    Column("finished_at", UtcDateTime),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("champion_version", String(64), nullable=False),
    Column("challenger_version", String(64)),
    Column("verdict", Text, nullable=False),  # JSON object: the gate's figures, or the error
)

# One row per question to the governor (monitoring/governor.py), also where the answer was no.
decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", String(36), primary_key=True),
    Column("decided_at", UtcDateTime, nullable=False, index=True),
    # performance | schedule | outcomes | update | person | recalibration | canary; check = nothing
    # asked; restart = buried
    Column("trigger", String(16), nullable=False),
    Column("trigger_id", String(36), nullable=False, index=True),  # check, request or retrain
    Column("actor", String(200), nullable=False),  # who asked
    # retrain | update | recalibrate | promote; keep = nothing asked
    Column("action", String(16), nullable=False),
    Column("answer", String(8), nullable=False),  # yes | no
    Column("seen", Text, nullable=False),  # what the trigger saw, or what the person said
    Column("reason", Text, nullable=False),  # why yes, or why no
    Column("retrain_id", String(36)),  # what it began, or what was buried
)

# What somebody asks monitoring for from a page, and what became of it (contracts/errands.py):
# waiting -> running -> done | refused | failed; or waiting -> withdrawn.
errands = Table(
    "errands",
    metadata,
    Column("errand_id", String(36), primary_key=True),  # UUIDv7
    Column("kind", String(16), nullable=False),  # check | retrain
    Column("asked_at", UtcDateTime, nullable=False, index=True),
    Column("actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("result_id", String(36)),  # the check or the retrain
    Column("told", Text),  # what came of it, or why nothing did; null = it is open
)

# One row per file that somebody has let score from a page. What was asked and answered is in
# `predictions` alone, where it is deleted and forgotten; here are only its ids.
scorings = Table(
    "scorings",
    metadata,
    Column("scoring_id", String(36), primary_key=True),  # UUIDv7
    Column("asked_at", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("rows", Integer, nullable=False),  # of the file
    Column("state", String(16), nullable=False),  # running | done | failed
    Column("finished_at", UtcDateTime),
    Column("told", Text),  # why it failed
)
scoring_parts = Table(
    "scoring_parts",
    metadata,
    Column("scoring_id", String(36), primary_key=True),
    Column("part", Integer, primary_key=True),  # from 0, in the order of the file
    Column("rows", Integer, nullable=False),
    Column("answered_at", UtcDateTime, nullable=False),
    Column("prediction_ids", LargeBinary, nullable=False),  # 16 bytes each
)

# One row per API key; the key itself is shown once and stored nowhere.
api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(36), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("prefix", String(16), nullable=False),  # the key's first characters, to recognise it
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the key
    Column("scopes", Text, nullable=False),  # JSON list
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),  # null = never
    Column("revoked_at", UtcDateTime),
    Column("rotated_from", String(36)),  # key_id of the predecessor
    Column("rate", String(100)),  # in rows, like "600/minute"; null = no limit
    Column("quota", String(100)),  # in rows, like "1000000/day"; null = no limit
)

# One row per browser that has signed in with a key; its token is in its cookie alone.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the token
    Column("key_id", String(36), nullable=False),  # whose rights it has, while that key is valid
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# Append-only: who did what to the product; each row's hash covers the one before it.
audit_log = Table(
    "audit_log",
    metadata,
    Column("entry_id", _Counter, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", Text, nullable=False),  # JSON object
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    sqlite_autoincrement=True,
)

# One row: how long the audit log is and its last hash, so that a cut tail is found too.
audit_head = Table(
    "audit_head",
    metadata,
    Column("head_id", Integer, primary_key=True),  # always 1
    Column("entries", _Counter, nullable=False),
    Column("hash", String(64), nullable=False),
)

# What a request with an Idempotency-Key was answered; kept for 24 hours.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String(36), primary_key=True),  # key_id of the caller; "" = nobody
    Column("key", String(200), primary_key=True),
    Column("digest", String(64), nullable=False),  # SHA-256 of the request's body
    Column("answer", Text, nullable=False),  # JSON, as it was sent
    Column("created_at", UtcDateTime, nullable=False, index=True),
)

# How far each spool has been replayed; moves in the transaction that writes the rows.
spool_positions = Table(
    "spool_positions",
    metadata,
    Column("spool_id", String(36), primary_key=True),
    Column("segment", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),  # bytes
)

# Append-only; the last row says how requests are divided among versions.
traffic_changes = Table(
    "traffic_changes",
    metadata,
    Column("change_id", _Counter, primary_key=True, autoincrement=True),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("mode", String(16), nullable=False),  # champion | canary | ab | shadow
    Column("version", String(64)),  # the other version; null with mode champion
    Column("share", Float),  # of requests that the other version answers, 0 to 1
    Column("entity", String(200)),  # feature whose value decides; null = the prediction's id
    Column("actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_autoincrement=True,
)

# What a shadow would have answered; never returned to anybody.
shadow_predictions = Table(
    "shadow_predictions",
    metadata,
    Column("prediction_id", String(36), primary_key=True),  # of the answered row
    Column("model_version", String(64), primary_key=True),
    Column("predicted_at", UtcDateTime, nullable=False),
    Column("prediction", Text, nullable=False),
    Column("probability", Float),
    Column("scores", Text),
)

# What a version did in a minute or so, as one worker of the service counted it.
vitals = Table(
    "vitals",
    metadata,
    Column("vital_id", _Counter, primary_key=True, autoincrement=True),
    Column("model_version", String(64), nullable=False),
    Column("since", UtcDateTime, nullable=False, index=True),
    Column("until", UtcDateTime, nullable=False),
    Column("requests", BigInteger, nullable=False),  # answered
    Column("rows", BigInteger, nullable=False),  # answered
    Column("failed", BigInteger, nullable=False),  # requests in which the model failed: 500
    Column("not_finite", BigInteger, nullable=False),  # requests in which a row had no answer: 422
    Column("times", Text, nullable=False),  # JSON list: answered requests in bins, contracts/vitals
    Column("request_seconds", Float, nullable=False),  # of all answered requests
    # Processor time of the model's calls, once for each request that waited for one.
    Column("model_seconds", Float, nullable=False),
    sqlite_autoincrement=True,
)

# Counters of rate limits and quotas where several processes share them.
rate_limits = Table(
    "rate_limits",
    metadata,
    Column("name", String(300), primary_key=True),
    Column("spent", BigInteger, nullable=False),
    Column("expires_at", Float, nullable=False),  # seconds since 1970
)

# Who may run a singleton job, across processes; the token grows with every new holder. The row
# SCHEDULER is nobody's right, but how long schedulers have said that one of them lives.
SCHEDULER = "scheduler"
# Neither is NEXT_CHECK: it expires when schedulers will run the next check.
NEXT_CHECK = "next check"
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("fencing_token", _Counter, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

"""Keys with limits, a chained audit log, idempotency, the spool's positions, traffic"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from contracts.audit import Act, record_all
from contracts.tables import UtcDateTime

revision = "0003"
down_revision = "0002"

_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


_OLD_LOG = sa.table(
    "audit_log",
    sa.column("entry_id"),
    sa.column("at", UtcDateTime()),
    *(sa.column(name, sa.Text()) for name in ("actor", "action", "subject", "detail")),
)


def upgrade() -> None:
    entries = _entries()
    op.drop_table("api_keys")  # nothing has written to it yet
    op.drop_table("audit_log")
    _create_access()
    _create_ledger()
    _create_traffic()
    if entries:  # the chain begins with them: from now on they cannot be changed unseen
        acts = [Act(**{**entry, "detail": json.loads(entry["detail"])}) for entry in entries]
        record_all(op.get_bind(), acts)


def _entries() -> list[dict[str, Any]]:
    """The audit log in its order, without ids and hashes."""
    told = [_OLD_LOG.c[name] for name in ("at", "actor", "action", "subject", "detail")]
    found = op.get_bind().execute(sa.select(*told).order_by(_OLD_LOG.c.entry_id))
    return [row._asdict() for row in found]


def downgrade() -> None:
    entries = _entries()
    for name in (
        "rate_limits", "shadow_predictions", "traffic_changes", "spool_positions",
        "idempotency_keys", "audit_head", "audit_log", "api_keys",
    ):  # fmt: skip
        op.drop_table(name)
    _create_old_access()
    if entries:
        op.bulk_insert(_OLD_LOG, entries)


def _create_access() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime()),
        sa.Column("revoked_at", UtcDateTime()),
        sa.Column("rotated_from", sa.String(36)),
        sa.Column("rate", sa.String(100)),
        sa.Column("quota", sa.String(100)),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_table(
        "audit_log",
        sa.Column("entry_id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sqlite_autoincrement=True,
    )
    head = op.create_table(
        "audit_head",
        sa.Column("head_id", sa.Integer(), primary_key=True),
        sa.Column("entries", _COUNTER, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(head, [{"head_id": 1, "entries": 0, "hash": "0" * 64}])
    op.create_table(
        "rate_limits",
        sa.Column("name", sa.String(300), primary_key=True),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
    )


def _create_ledger() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(36), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "spool_positions",
        sa.Column("spool_id", sa.String(36), primary_key=True),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
    )


def _create_traffic() -> None:
    op.create_table(
        "traffic_changes",
        sa.Column("change_id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("version", sa.String(64)),
        sa.Column("share", sa.Float()),
        sa.Column("entity", sa.String(200)),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "shadow_predictions",
        sa.Column("prediction_id", sa.String(36), primary_key=True),
        sa.Column("model_version", sa.String(64), primary_key=True),
        sa.Column("predicted_at", UtcDateTime(), nullable=False),
        sa.Column("prediction", sa.Text(), nullable=False),
        sa.Column("probability", sa.Float()),
        sa.Column("scores", sa.Text()),
    )


def _create_old_access() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime()),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_table(
        "audit_log",
        sa.Column("entry_id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )

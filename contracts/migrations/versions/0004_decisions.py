"""Every answer of the governor"""

import sqlalchemy as sa
from alembic import op

from contracts.tables import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.String(36), primary_key=True),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("trigger_id", sa.String(36), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("answer", sa.String(8), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("retrain_id", sa.String(36)),
    )
    for column in ("decided_at", "trigger_id"):
        op.create_index(f"ix_decisions_{column}", "decisions", [column])


def downgrade() -> None:
    op.drop_table("decisions")

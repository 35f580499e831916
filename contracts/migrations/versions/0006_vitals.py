"""What each version answered and failed, by minute"""

import sqlalchemy as sa
from alembic import op

from contracts.tables import UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    counter = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "vitals",
        sa.Column("vital_id", counter, primary_key=True, autoincrement=True),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("not_finite", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Text(), nullable=False),
        sa.Column("request_seconds", sa.Float(), nullable=False),
        sa.Column("model_seconds", sa.Float(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_vitals_since", "vitals", ["since"])


def downgrade() -> None:
    op.drop_table("vitals")

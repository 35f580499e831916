"""What people ask monitoring for from a page"""

import sqlalchemy as sa
from alembic import op

from contracts.tables import UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "errands",
        sa.Column("errand_id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("result_id", sa.String(36)),
        sa.Column("told", sa.Text()),
    )
    op.create_index("ix_errands_asked_at", "errands", ["asked_at"])


def downgrade() -> None:
    op.drop_table("errands")

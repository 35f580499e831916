"""Files of rows that somebody has let score from a page"""

import sqlalchemy as sa
from alembic import op

from contracts.tables import UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "scorings",
        sa.Column("scoring_id", sa.String(36), primary_key=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("told", sa.Text()),
    )
    op.create_table(
        "scoring_parts",
        sa.Column("scoring_id", sa.String(36), primary_key=True),
        sa.Column("part", sa.Integer(), primary_key=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=False),
        sa.Column("prediction_ids", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("scoring_parts")
    op.drop_table("scorings")

"""Predictions of many classes and of numbers"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("predictions") as table:  # SQLite can only copy the table
        table.alter_column("probability", existing_type=sa.Float(), nullable=True)
        table.add_column(sa.Column("scores", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("predictions") as table:
        table.drop_column("scores")
        table.alter_column("probability", existing_type=sa.Float(), nullable=False)

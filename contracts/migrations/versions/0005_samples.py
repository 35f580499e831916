"""Indices of samples of the predictions, each an eighth of the one before"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_BELOW = {8: "2", 64: "04", 512: "008", 4096: "001"}


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    for every, end in _BELOW.items():
        rows = sa.text(f"substr(prediction_id, 29) < '{end}'")
        op.create_index(
            f"ix_predictions_sample_{every}",
            "predictions",
            ["event_time"],
            postgresql_where=rows,
        )


def downgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    for every in _BELOW:
        op.drop_index(f"ix_predictions_sample_{every}", "predictions")

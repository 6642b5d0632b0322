"""Submitting once, deleting, and lists that read only what they show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add idempotency keys, the list's index of tags, that of living attempts, and attempt ids that are never given twice."""
    op.add_column("experiment", sa.Column("idempotency_key", sa.String(200)))
    op.create_index("uq_experiment_idempotency_key", "experiment", ["idempotency_key"], unique=True)
    op.create_index("ix_experiment_tag_tag_experiment", "experiment_tag", ["tag", "experiment"])
    op.drop_index("ix_experiment_tag_tag", "experiment_tag")
    if op.get_bind().dialect.name == "sqlite":
        _count_attempts_on()
    living = sa.text("ended_at IS NULL")
    op.create_index("ix_attempt_living", "attempt", ["experiment"], sqlite_where=living, postgresql_where=living)


def _count_attempts_on() -> None:
    """SQLite gives the highest id again once its row is deleted, unless the table is made with AUTOINCREMENT.

    A lost driver of a deleted attempt could then pass for the driver of a new one. No other table refers to this one.
    """
    op.create_table(
        "attempt_new",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("experiment", sa.Integer, sa.ForeignKey("experiment.number", ondelete="CASCADE"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("driver_pid", sa.Integer),
        sa.Column("node", sa.String(200)),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("exit_reason", sa.String(64)),
        sa.UniqueConstraint("experiment", "number", name="uq_attempt_experiment_number"),
        sqlite_autoincrement=True,
    )
    columns = "id, experiment, number, token, owner, lease_expires_at, driver_pid, node, started_at, ended_at, exit_reason"
    op.execute(f"INSERT INTO attempt_new ({columns}) SELECT {columns} FROM attempt ORDER BY id")  # noqa: S608 - constants
    op.drop_table("attempt")
    op.rename_table("attempt_new", "attempt")

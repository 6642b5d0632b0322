"""Sweeps, and which trial of which sweep an experiment is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table and the two columns."""
    op.create_table(
        "sweep",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("base", sa.JSON, nullable=False),
        sa.Column("sweep", sa.JSON, nullable=False),
        sa.Column("proposals", sa.JSON),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("message", sa.Text),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(200)),
        sa.Column("owner_pid", sa.Integer),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_sweep_state_number", "sweep", ["state", "number"])
    op.add_column("experiment", sa.Column("sweep_id", sa.String(32)))
    op.add_column("experiment", sa.Column("trial", sa.Integer))
    # Unique, so that no trial is ever run twice; experiments outside of sweeps have neither.
    op.create_index("uq_experiment_sweep_id_trial", "experiment", ["sweep_id", "trial"], unique=True)

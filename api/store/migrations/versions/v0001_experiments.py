"""Experiments, their tags, attempts, events and points."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first schema."""
    _create_experiment()
    _create_attempt()
    _create_event()
    op.create_table(
        "experiment_tag",
        _experiment_key(),
        sa.Column("tag", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
    )
    op.create_index("ix_experiment_tag_tag", "experiment_tag", ["tag"])
    op.create_table(
        "point",
        _experiment_key(),
        sa.Column("series", sa.String(200), primary_key=True),
        sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Float(53)),
        sqlite_with_rowid=False,
    )


def _experiment_key() -> sa.Column[int]:
    return sa.Column("experiment", sa.Integer, sa.ForeignKey("experiment.number", ondelete="CASCADE"), primary_key=True)


def _create_experiment() -> None:
    op.create_table(
        "experiment",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("spec_hash", sa.String(64), nullable=False),
        sa.Column("trajectory_hash", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("message", sa.Text),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("rounds", sa.Integer, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("retried_from", sa.String(32)),
    )
    op.create_index("ix_experiment_state_number", "experiment", ["state", "number"])


def _create_attempt() -> None:
    op.create_table(
        "attempt",
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
    )


def _create_event() -> None:
    op.create_table(
        "event",
        _experiment_key(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("experiment", "key", name="uq_event_experiment_key"),
        sqlite_with_rowid=False,
    )

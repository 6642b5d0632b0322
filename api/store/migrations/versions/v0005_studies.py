"""Studies and their cells; on PostgreSQL curves are read without their rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the two tables; make the key of points anew."""
    op.create_table(
        "study",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("study", sa.JSON, nullable=False),
        sa.Column("cells", sa.Integer, nullable=False),
        sa.Column("experiments", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_by", sa.String(32)),
        sa.Column("idempotency_key", sa.String(200)),
    )
    op.create_index("uq_study_idempotency_key", "study", ["idempotency_key"], unique=True)
    op.create_table(
        "study_cell",
        sa.Column(
            "study", sa.Integer, sa.ForeignKey("study.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
        ),
        sa.Column("cell", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("experiment", sa.Integer, sa.ForeignKey("experiment.number", ondelete="SET NULL")),
        sa.Column("impossible", sa.Text),
    )
    op.create_index("ix_study_cell_experiment", "study_cell", ["experiment"])
    if op.get_bind().dialect.name != "sqlite":
        _cover_points()


def _cover_points() -> None:
    """Let the primary key of `point` bear the values too: reading and writing points waits meanwhile (ten million: some 15 s).

    Rows of one curve lie as they came, between those of every other curve, often one to a page. SQLite keeps the rows in the
    key itself.
    """
    op.drop_constraint("point_pkey", "point", type_="primary")
    op.execute("ALTER TABLE point ADD CONSTRAINT point_pkey PRIMARY KEY (experiment, series, round) INCLUDE (value)")
    # An index is read alone only where pages have been vacuumed; the usual share, a fifth, is hours of points.
    op.execute("ALTER TABLE point SET (autovacuum_vacuum_insert_scale_factor = 0.02)")

"""What people may set beside a spec, why one waits, where forks came from; sorted lists; artifacts; keys; objectives."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
FIGURES = ("test_accuracy", "validation_accuracy", "auxiliary_accuracy")


def upgrade() -> None:
    """Add the columns and the two tables."""
    op.add_column("experiment", sa.Column("revision", sa.Integer, nullable=False, server_default="1"))
    op.add_column("experiment", sa.Column("archived_at", sa.DateTime(timezone=True)))
    op.add_column("experiment", sa.Column("retry", sa.JSON))
    op.add_column("experiment", sa.Column("resources", sa.JSON))
    op.add_column("experiment", sa.Column("waiting", sa.Text))
    op.add_column("experiment", sa.Column("forked_from", sa.String(32)))
    op.add_column("experiment", sa.Column("forked_round", sa.Integer))
    op.add_column("experiment", sa.Column("submitted_by", sa.String(32)))
    _sort_lists()
    op.add_column("experiment", sa.Column("objectives", sa.JSON))
    op.add_column("sweep", sa.Column("paused_at", sa.DateTime(timezone=True)))
    op.add_column("sweep", sa.Column("submitted_by", sa.String(32)))
    op.add_column("sweep", sa.Column("idempotency_key", sa.String(200)))
    op.add_column("sweep", sa.Column("samples", sa.Integer))
    op.create_index("uq_sweep_idempotency_key", "sweep", ["idempotency_key"], unique=True)
    op.create_table(
        "artifact",
        sa.Column(
            "experiment",
            sa.Integer,
            sa.ForeignKey("experiment.number", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("round", sa.Integer),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
    )


def _sort_lists() -> None:
    """Final figures as columns, and an index for every order of the list."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if not is_sqlite:
        # Names sort alike everywhere, whatever language the database was created for. SQLite does so by itself.
        op.alter_column("experiment", "name", type_=sa.String(200, collation="C"), existing_nullable=False)
    for figure in FIGURES:
        op.add_column("experiment", sa.Column(figure, sa.Float(53)))
        value = f"json_extract(result, '$.{figure}')" if is_sqlite else f"CAST(result ->> '{figure}' AS DOUBLE PRECISION)"
        op.execute(f"UPDATE experiment SET {figure} = {value} WHERE result IS NOT NULL")  # noqa: S608 - constants
    for column in ("updated_at", "name", *FIGURES):
        op.create_index(f"ix_experiment_state_{column}", "experiment", ["state", column, "number"])
    archived = sa.text("archived_at IS NOT NULL")
    op.create_index("ix_experiment_archived", "experiment", ["number"], sqlite_where=archived, postgresql_where=archived)

"""On PostgreSQL the primary key of `point` bears the values too, so that a curve is read without its rows.

Rows of one curve lie as they came, between those of every other curve, often one to a page. SQLite keeps the rows in the
key itself.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the key anew; reading and writing points waits meanwhile (ten million of them: some 15 s)."""
    if op.get_bind().dialect.name == "sqlite":
        return
    name = sa.inspect(op.get_bind()).get_pk_constraint("point")["name"]
    op.drop_constraint(name, "point", type_="primary")
    op.execute("ALTER TABLE point ADD CONSTRAINT point_pkey PRIMARY KEY (experiment, series, round) INCLUDE (value)")
    # An index is read alone only where pages have been vacuumed; the usual share, a fifth, is hours of points.
    op.execute("ALTER TABLE point SET (autovacuum_vacuum_insert_scale_factor = 0.02)")

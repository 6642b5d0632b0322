"""`ListStore`: pages of experiments for people, and what it takes to compare some of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from api.domain.listing import Filters, Order, Place
from api.domain.records import ExperimentRecord, SummaryRecord
from api.store.database import Database
from api.store.listing import page_of, place_of
from api.store.lookup import find, unknown
from api.store.tables import ExperimentRow, PointRow

# Read for nothing by a list; whoever asks a row for one of them all the same is told so.
_HEAVY = [defer(column, raiseload=True) for column in (ExperimentRow.spec, ExperimentRow.result)]


class ListStore(Database):
    """Questions about many experiments at once. `Store.lists` is one over the same database."""

    def page(
        self, filters: Filters, order: Order, *, limit: int, after: Place | str | None = None
    ) -> tuple[list[SummaryRecord], Place | None]:
        """Up to `limit` experiments in order, and where the next page begins; None at the end.

        With conditions on specs a page may hold fewer than `limit`, or none, though more follow: it ends after
        `listing.MOST_LOOKED_AT` experiments.

        Args:
            filters: What is left out.
            order: How they are sorted.
            limit: At most this many.
            after: Where to begin: a place in a list of this order, or the id of an experiment.

        Raises:
            NotFoundError: `after` is the id of no experiment.
        """
        with self._reading() as session:
            place = place_of(session, order, after) if isinstance(after, str) else after
            if isinstance(after, str) and place is None:
                raise unknown(after)
            numbers, end = page_of(session, filters, order, place, limit=limit)
            found = session.scalars(select(ExperimentRow).where(ExperimentRow.number.in_(numbers)).options(*_HEAVY))
            rows = {row.number: row for row in found}
            # Between the two questions one may have been deleted.
            return [rows[number].to_summary() for number in numbers if number in rows], end

    def compared(self, ids: Sequence[str]) -> list[tuple[ExperimentRecord, frozenset[str]]]:
        """These experiments, as often and in the order asked for, with the names of their series. Raises NotFoundError."""
        with self._reading() as session:
            rows = [find(session, id) for id in ids]
            return [(row.to_record(), _series_names(session, row.number)) for row in rows]


def _series_names(session: Session, number: int) -> frozenset[str]:
    """From name to name along the points' key: an experiment has few series, and each has many points."""
    mine = PointRow.experiment == number
    names = select(func.min(PointRow.series).label("name")).where(mine).cte(recursive=True)
    following = select(func.min(PointRow.series)).where(mine, PointRow.series > names.c.name).scalar_subquery()
    names = names.union_all(select(following).where(names.c.name.is_not(None)))
    return frozenset(session.scalars(select(names.c.name).where(names.c.name.is_not(None))))

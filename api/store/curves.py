"""`CurveStore`: what the curves of experiments look like, read along the primary key of `point`.

Thinning happens in the database, so what comes here grows with the points asked for and not with the curve. Whole curves
come page by page; each page is a transaction of its own, so a reader who takes his time holds no connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sqlalchemy import SQLColumnExpression, Subquery, and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from api.domain.curves import SampledCurve, bucket_count, matching
from api.store.database import Database
from api.store.tables import AttemptRow, EventRow, ExperimentRow, PointRow
from heron_ray.errors import AnswerTooLargeError, NotFoundError

PAGE = 10_000
# No round lies outside these.
FIRST_ROUND, LAST_ROUND = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extent:
    """A stretch of one curve: the rounds of its ends, how many points it has, and how many of these are finite."""

    experiment: int
    series: str
    first: int
    last: int
    total: int
    finite: int

    def within(self) -> SQLColumnExpression[bool]:
        """The rows of it. What is written after it was measured lies outside."""
        rounds = PointRow.round.between(self.first, self.last)
        return and_(PointRow.experiment == self.experiment, PointRow.series == self.series, rounds)


class CurveStore(Database):
    """The points of experiments."""

    def sample(
        self,
        ids: Sequence[str],
        *,
        points: int,
        patterns: Sequence[str] = (),
        first_round: int = FIRST_ROUND,
        last_round: int = LAST_ROUND,
        at_most: int | None = None,
    ) -> dict[str, dict[str, SampledCurve]]:
        """Curves of several experiments: id -> series -> curve.

        A curve with more than `points` points is cut into pieces of equally many; of each piece stay the smallest value,
        the largest and the first that is not finite, and of the curve its ends.

        Args:
            ids: Experiments.
            points: The most points of one curve, at least 6.
            patterns: Names of series, or patterns (`bytes_*`); all series where none is given.
            first_round: Only from this round on.
            last_round: Only up to this round.
            at_most: The most points in all.

        Raises:
            NotFoundError: One of the experiments does not exist.
            AnswerTooLargeError: It would be more than `at_most` points.
        """
        with self._reading() as session:
            extents = {
                id: _extents(session, _number(session, id), patterns, first_round, last_round) for id in dict.fromkeys(ids)
            }
            expected = sum(min(extent.total, points) for found in extents.values() for extent in found)
            if at_most is not None and expected > at_most:
                raise AnswerTooLargeError(
                    f"that would be {expected:,} points, and {at_most:,} are the most in one answer",
                    hint="ask for fewer experiments, series or points per curve",
                )
            return {id: {extent.series: _sampled(session, extent, points) for extent in found} for id, found in extents.items()}

    def running_sums(self, id: str, names: Sequence[str], *, points: int) -> dict[str, SampledCurve]:
        """The running sums of some series over all rounds, thinned like curves. Raises NotFoundError."""
        with self._reading() as session:
            extents = _extents(session, _number(session, id), names, FIRST_ROUND, LAST_ROUND)
            return {extent.series: _summed(session, extent, points) for extent in extents}

    def wall_times(self, id: str, *, points: int) -> SampledCurve:
        """Seconds from the beginning of the first attempt until each round was reported, for about `points` of the rounds.

        Raises:
            NotFoundError: There is no such experiment.
        """
        with self._reading() as session:
            number = _number(session, id)
            events = session.scalar(select(ExperimentRow.events).where(ExperimentRow.number == number)) or 0
            begun = session.scalar(select(func.min(AttemptRow.started_at)).where(AttemptRow.experiment == number))
            step = max(1, -(-events // points))
            chosen = or_(EventRow.id % step == 0, EventRow.id <= step, EventRow.id > events - step)
            mine = and_(EventRow.experiment == number, EventRow.kind == "round_finished", chosen)
            found = session.execute(select(EventRow.key, EventRow.created_at).where(mine).order_by(EventRow.id)).all()
        rounds = [int(key.rpartition(":")[2]) for key, _ in found]
        # Where no attempt has begun there is no round either.
        seconds = [(at - begun).total_seconds() for _, at in found] if begun is not None else []
        return SampledCurve(rounds=rounds, values=seconds, total=events, not_finite=0)

    def count(self, id: str, *, up_to: int) -> int:
        """How many points an experiment has; counting ends at `up_to`. Raises NotFoundError."""
        with self._reading() as session:
            rows = select(PointRow.round).where(PointRow.experiment == _number(session, id)).limit(up_to).subquery()
            return session.execute(select(func.count()).select_from(rows)).scalar_one()

    def pages(self, id: str) -> Iterator[list[tuple[str, int, float | None]]]:
        """Every point as (series, round, value), by series and round, up to 10,000 at a time.

        Raises:
            NotFoundError: There is no such experiment, or it was deleted while it was read.
        """
        after: tuple[str, int] | None = None
        while page := self._page(id, after):
            yield page
            after = page[-1][:2]

    def _page(self, id: str, after: tuple[str, int] | None) -> list[tuple[str, int, float | None]]:
        with self._reading() as session:
            statement = select(PointRow.series, PointRow.round, PointRow.value).where(
                PointRow.experiment == _number(session, id)
            )
            if after is not None:
                statement = statement.where(tuple_(PointRow.series, PointRow.round) > tuple_(*map(literal, after)))
            rows = session.execute(statement.order_by(PointRow.series, PointRow.round).limit(PAGE))
            return [(series, round, value) for series, round, value in rows]


def _number(session: Session, id: str) -> int:
    number = session.scalar(select(ExperimentRow.number).where(ExperimentRow.id == id))
    if number is None:
        raise NotFoundError(f"there is no experiment {id!r}", hint="GET /v1/experiments lists them")
    return number


def _names(session: Session, experiment: int) -> list[str]:
    """The names of an experiment's series: one step down the index for each, however long the curves are."""
    least = select(func.min(PointRow.series)).where(PointRow.experiment == experiment)
    found = least.cte(recursive=True)
    name = found.c[0]
    steps = found.union_all(
        select(least.where(PointRow.series > name).correlate(found).scalar_subquery()).where(name.is_not(None))
    )
    return [found_name for found_name in session.scalars(select(steps)) if found_name is not None]


def _extents(session: Session, experiment: int, patterns: Sequence[str], first: int, last: int) -> list[_Extent]:
    chosen = matching(_names(session, experiment), patterns)
    statement = (
        select(PointRow.series, func.min(PointRow.round), func.max(PointRow.round), func.count(), func.count(PointRow.value))
        .where(PointRow.experiment == experiment, PointRow.series.in_(chosen), PointRow.round.between(first, last))
        .group_by(PointRow.series)
    )
    found = [
        _Extent(experiment=experiment, series=series, first=low, last=high, total=total, finite=finite)
        for series, low, high, total, finite in session.execute(statement)
    ]
    return sorted(found, key=lambda extent: extent.series)


def _sampled(session: Session, extent: _Extent, points: int) -> SampledCurve:
    statement = select(PointRow.round, PointRow.value).where(extent.within())
    if extent.total > points:
        statement = statement.where(PointRow.round.in_(_rounds_that_stay(session, extent, points)))
    chosen = session.execute(statement.order_by(PointRow.round)).all()
    return SampledCurve(
        rounds=[round for round, _ in chosen],
        values=[value for _, value in chosen],
        total=extent.total,
        not_finite=extent.total - extent.finite,
    )


def _rounds_that_stay(session: Session, extent: _Extent, points: int) -> set[int]:
    """The ends of a curve and the extremes of its pieces; of equal values the first."""
    has_gaps = extent.finite < extent.total
    pieces = _pieces(extent, bucket_count(points, has_gaps=has_gaps))
    inside = select(PointRow.round).where(extent.within(), PointRow.round.between(pieces.c.first, pieces.c.last)).limit(1)
    finite = inside.where(PointRow.value.is_not(None))
    wanted = [finite.order_by(PointRow.value, PointRow.round), finite.order_by(PointRow.value.desc(), PointRow.round)]
    if has_gaps:
        wanted.append(inside.where(PointRow.value.is_(None)).order_by(PointRow.round))
    found = session.execute(select(*(one.correlate(pieces).scalar_subquery() for one in wanted)).select_from(pieces))
    return {extent.first, extent.last}.union(round for row in found for round in row if round is not None)


def _summed(session: Session, extent: _Extent, points: int) -> SampledCurve:
    """The first value, then the running sum at the end of each piece. What is not finite adds nothing."""
    pieces = _pieces(extent, min(points - 1, extent.total))
    inside = (extent.within(), PointRow.round.between(pieces.c.first, pieces.c.last))
    ends = select(func.max(PointRow.round)).where(*inside).correlate(pieces).scalar_subquery()
    sums = select(func.sum(PointRow.value)).where(*inside).correlate(pieces).scalar_subquery()
    found = session.execute(select(ends, sums).select_from(pieces).order_by(pieces.c.first)).all()
    first = session.scalar(select(PointRow.value).where(extent.within(), PointRow.round == extent.first)) or 0.0
    totals = zip((end for end, _ in found), accumulate(sum or 0.0 for _, sum in found), strict=True)
    chosen = {extent.first: first, **dict(totals)}
    return SampledCurve(rounds=list(chosen), values=list(chosen.values()), total=extent.total, not_finite=0)


def _pieces(extent: _Extent, count: int) -> Subquery:
    """`first` and `last`: the rounds between which each of `count` pieces with equally many rows lies.

    Row number i of n, from 0, is the first of a piece exactly where i * count mod n is below count.
    """
    place = func.row_number().over(order_by=PointRow.round) - 1
    rows = (
        select(PointRow.round, (place * literal(count) % literal(extent.total)).label("rest")).where(extent.within()).subquery()
    )
    starts = select(rows.c.round.label("first")).where(rows.c.rest < count).subquery()
    last = func.coalesce(func.lead(starts.c.first).over(order_by=starts.c.first) - 1, extent.last)
    return select(starts.c.first, last.label("last")).subquery("pieces")

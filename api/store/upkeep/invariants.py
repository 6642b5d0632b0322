"""What is true of every experiment at every moment, each as one question for those of which it is not.

The database answers by walking indexes and grouping in their order; nothing here grows with the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from api.domain.states import LIVE, State
from api.store.tables import AttemptRow, EventRow, ExperimentRow, PointRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """One truth.

    Attributes:
        rule: Its stable code.
        broken: Selects the id of every experiment of which it is not true, then the details that `message` shows.
        message: Says what is wrong; `{0}`, `{1}`, ... are the details.
    """

    rule: str
    broken: Select[*tuple[Any, ...]]
    message: str


def _known_states() -> Invariant:
    broken = select(ExperimentRow.id, ExperimentRow.state).where(ExperimentRow.state.not_in(list(State)))
    return Invariant(rule="state", broken=broken, message="{0} is no state of an experiment")


def _living_attempts() -> Invariant:
    living = and_(AttemptRow.experiment == ExperimentRow.number, AttemptRow.ended_at.is_(None))
    count = func.count(AttemptRow.id)
    broken = (
        select(ExperimentRow.id, ExperimentRow.state, count)
        .join(AttemptRow, living, isouter=True)
        .where(ExperimentRow.state.in_(LIVE))
        .group_by(ExperimentRow.number, ExperimentRow.id, ExperimentRow.state)
        .having(count != 1)
    )
    return Invariant(rule="living_attempts", broken=broken, message="it is {0} and has {1} living attempts; it must have one")


def _no_living_attempt() -> Invariant:
    broken = (
        select(ExperimentRow.id, ExperimentRow.state, AttemptRow.number)
        .join(AttemptRow, AttemptRow.experiment == ExperimentRow.number)
        .where(AttemptRow.ended_at.is_(None), ExperimentRow.state.not_in(LIVE))
    )
    return Invariant(rule="living_attempts", broken=broken, message="it is {0}, but its attempt {1} has not ended")


def _attempt_numbers() -> Invariant:
    counted = (
        select(AttemptRow.experiment, func.count().label("count"), func.max(AttemptRow.number).label("newest"))
        .group_by(AttemptRow.experiment)
        .subquery()
    )
    count, newest = func.coalesce(counted.c.count, 0), func.coalesce(counted.c.newest, 0)
    broken = (
        select(ExperimentRow.id, ExperimentRow.attempts, count, newest)
        .join(counted, counted.c.experiment == ExperimentRow.number, isouter=True)
        .where(or_(count != ExperimentRow.attempts, newest != ExperimentRow.attempts))
    )
    message = "it says that {0} attempts were made; there are {1}, the newest is number {2}"
    return Invariant(rule="attempt_numbers", broken=broken, message=message)


def _event_numbers() -> Invariant:
    counted = (
        select(
            EventRow.experiment,
            func.count().label("count"),
            func.min(EventRow.id).label("first"),
            func.max(EventRow.id).label("newest"),
        )
        .group_by(EventRow.experiment)
        .subquery()
    )
    count, first = func.coalesce(counted.c.count, 0), func.coalesce(counted.c.first, 1)
    newest = func.coalesce(counted.c.newest, 0)
    broken = (
        select(ExperimentRow.id, ExperimentRow.events, count, first, newest)
        .join(counted, counted.c.experiment == ExperimentRow.number, isouter=True)
        .where(or_(count != ExperimentRow.events, first != 1, newest != ExperimentRow.events))
    )
    message = "its events must be numbered 1 to {0}; there are {1}, numbered {2} to {3}"
    return Invariant(rule="event_numbers", broken=broken, message=message)


def _state_events() -> Invariant:
    newest = (
        select(EventRow.experiment, func.max(EventRow.id).label("id"))
        .where(EventRow.kind == "state")
        .group_by(EventRow.experiment)
        .subquery()
    )
    told = func.coalesce(EventRow.data["state"].as_string(), "nothing")
    broken = (
        select(ExperimentRow.id, ExperimentRow.state, told)
        .join(newest, newest.c.experiment == ExperimentRow.number, isouter=True)
        .join(EventRow, and_(EventRow.experiment == newest.c.experiment, EventRow.id == newest.c.id), isouter=True)
        .where(told != ExperimentRow.state)
    )
    return Invariant(rule="state_event", broken=broken, message="it is {0}, but its newest event of a state tells {1}")


def _points_reach_the_round() -> Invariant:
    reached = select(PointRow.experiment, func.max(PointRow.round).label("round")).group_by(PointRow.experiment).subquery()
    last = func.coalesce(reached.c.round, 0)
    broken = (
        select(ExperimentRow.id, ExperimentRow.state, ExperimentRow.round, last)
        .join(reached, reached.c.experiment == ExperimentRow.number, isouter=True)
        .where(
            or_(
                last > ExperimentRow.round,
                and_(ExperimentRow.state == State.SUCCEEDED, last != ExperimentRow.round),
            )
        )
    )
    return Invariant(rule="points", broken=broken, message="it is {0} after round {1}, but its points end at round {2}")


def _results() -> Invariant:
    broken = select(ExperimentRow.id).where(ExperimentRow.state == State.SUCCEEDED, ExperimentRow.result.is_(None))
    return Invariant(rule="result", broken=broken, message="it is SUCCEEDED without a result")


INVARIANTS = (
    _known_states(),
    _living_attempts(),
    _no_living_attempt(),
    _attempt_numbers(),
    _event_numbers(),
    _state_events(),
    _points_reach_the_round(),
    _results(),
)

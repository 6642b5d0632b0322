"""Queueing an experiment: the one place that makes its row. Callers hold the transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.domain.admission import declared
from api.domain.states import State
from api.store.engine import now
from api.store.history import add_first_event
from api.store.once import once
from api.store.tables import ExperimentRow, TagRow
from heron_ray.spec import ExperimentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """Where a fork begins: after a round of the experiment with this id."""

    id: str
    round: int


def queue_experiment(
    session: Session,
    spec: ExperimentSpec,
    tags: Sequence[str],
    *,
    retried_from: str | None = None,
    forked: Forked | None = None,
    idempotency_key: str | None = None,
    submitted_by: str | None = None,
    retry: Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
) -> ExperimentRow:
    """A new QUEUED experiment and the event that says so."""
    at = now(session)
    row = ExperimentRow(
        id=secrets.token_hex(8),
        name=spec.name,
        spec=spec.canonical(),
        spec_hash=spec.spec_hash(),
        trajectory_hash=spec.trajectory_hash(),
        state=State.QUEUED,
        round=forked.round if forked else 0,
        rounds=spec.rounds,
        created_at=at,
        updated_at=at,
        attempts=0,
        events=1,
        retried_from=retried_from,
        forked_from=forked.id if forked else None,
        forked_round=forked.round if forked else None,
        idempotency_key=idempotency_key,
        submitted_by=submitted_by,
        retry=None if retry is None else dict(retry),
        resources=None if resources is None else dict(resources),
        tags=[TagRow(tag=tag, position=position) for position, tag in enumerate(dict.fromkeys(tags))],
    )
    session.add(row)
    session.flush()
    add_first_event(session, row, at)
    return row


def queue_once(
    session: Session,
    spec: ExperimentSpec,
    tags: Sequence[str],
    *,
    key: str,
    retried_from: str | None = None,
    forked: Forked | None = None,
    submitted_by: str | None = None,
    retry: Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
) -> tuple[ExperimentRow, bool]:
    """The experiment submitted under `key`, and whether it is new.

    Raises:
        ConflictError: The key belongs to a submission with another spec, other tags or of another kind.
    """

    def make() -> ExperimentRow:
        return queue_experiment(
            session,
            spec,
            tags,
            retried_from=retried_from,
            forked=forked,
            idempotency_key=key,
            submitted_by=submitted_by,
            retry=retry,
            resources=resources,
        )

    def is_same(row: ExperimentRow) -> bool:
        asked = (spec.spec_hash(), list(dict.fromkeys(tags)), retried_from, forked.id if forked else None, retry)
        known = (row.spec_hash, [tag.tag for tag in row.tags], row.retried_from, row.forked_from, row.retry)
        return (*asked, declared(resources)) == (*known, declared(row.resources))

    return once(session, ExperimentRow, key, make, is_same=is_same)

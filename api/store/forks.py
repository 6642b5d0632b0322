"""`ForkStore`: new experiments that begin with the checkpoint another one left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.domain.artifacts import CHECKPOINT_STATE
from api.domain.records import ExperimentRecord
from api.domain.states import TERMINAL, State
from api.store.database import Database
from api.store.submission import Forked, queue_experiment, queue_once
from api.store.tables import ArtifactRow, ExperimentRow
from heron_ray.errors import ConflictError, NotFoundError
from heron_ray.spec import parse_spec
from heron_ray.spec.fork import forked_spec


class ForkStore(Database):
    """Queues forks. `Store.forks` is one over the same database."""

    def submit(
        self,
        id: str,
        overrides: Sequence[tuple[str, Any]],
        *,
        round: int | None = None,
        tags: Sequence[str] | None = None,
        key: str | None = None,
    ) -> tuple[ExperimentRecord, bool]:
        """Queue an ended experiment's spec with overrides, to begin with its checkpoint; the second says whether it is new.

        Args:
            id: The ended experiment.
            overrides: Dotted paths and their new values.
            round: The round to go on after; None: that of the checkpoint that was kept.
            tags: Labels; None: those of the ended experiment.
            key: Asking again under the same key finds the experiment made at the first time.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It has not ended, or left no checkpoint of that round; or the key was used for another submission.
            SpecError: The new spec is not valid, or changes what a fork must keep.
        """
        with self._writing() as session:
            # Locked, so that it cannot be deleted before its fork is there to be seen.
            parent = session.scalar(select(ExperimentRow).where(ExperimentRow.id == id).with_for_update())
            if parent is None:
                raise NotFoundError(f"there is no experiment {id!r}", hint="GET /v1/experiments lists them")
            forked = Forked(id=id, round=_kept_round(session, parent, round))
            spec = forked_spec(parse_spec(parent.spec), overrides, after_round=forked.round)
            labels = [tag.tag for tag in parent.tags] if tags is None else tags
            if key is None:
                return queue_experiment(session, spec, labels, forked=forked).to_record(), True
            row, is_new = queue_once(session, spec, labels, key=key, forked=forked)
            return row.to_record(), is_new


def _kept_round(session: Session, parent: ExperimentRow, wanted: int | None) -> int:
    """The round of the checkpoint that an experiment left behind."""
    if State(parent.state) not in TERMINAL:
        raise ConflictError(
            f"experiment {parent.id} has not ended: it is {parent.state} and cannot be forked",
            hint="wait for its end, or cancel it: it leaves a checkpoint then",
        )
    kept = session.get(ArtifactRow, (parent.number, CHECKPOINT_STATE))
    if kept is None or kept.round is None:
        raise ConflictError(
            f"experiment {parent.id} left no checkpoint behind to begin with", hint="retry it, or submit it with other fields"
        )
    if wanted not in (None, kept.round):
        raise ConflictError(
            f"experiment {parent.id} left a checkpoint of round {kept.round} behind, and none of round {wanted}",
            hint=f"fork it after round {kept.round}",
        )
    return kept.round

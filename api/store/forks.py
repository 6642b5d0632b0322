"""`ForkStore`: new experiments that begin with the checkpoint another one left behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.domain.admission import declared
from api.domain.artifacts import CHECKPOINT_STATE
from api.domain.records import ExperimentRecord
from api.store.database import Database
from api.store.lookup import find, require_ended
from api.store.submission import Forked, queue_experiment, queue_once
from api.store.tables import ArtifactRow, ExperimentRow
from heron_ray.errors import ConflictError
from heron_ray.spec import ExperimentSpec, parse_spec
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
        submitted_by: str | None = None,
        require: Callable[[ExperimentSpec], object] | None = None,
    ) -> tuple[ExperimentRecord, bool]:
        """Queue an ended experiment's spec with overrides, to begin with its checkpoint; the second says whether it is new.

        Args:
            id: The ended experiment.
            overrides: Dotted paths and their new values.
            round: The round to go on after; None: that of the checkpoint that was kept.
            tags: Labels; None: those of the ended experiment.
            key: Asking again under the same key finds the experiment made at the first time.
            submitted_by: The id of the API key it is asked for with, if it is with one.
            require: Called with the new spec; nothing is queued where it raises.

        Raises:
            NotFoundError: No such experiment.
            ConflictError: It has not ended, or left no checkpoint of that round; or the key was used for another submission.
            SpecError: The new spec is not valid, or changes what a fork must keep.
        """
        with self._writing() as session:
            # Locked, so that it cannot be deleted before its fork is there to be seen.
            parent = find(session, id, lock=True)
            forked = Forked(id=id, round=_kept_round(session, parent, round))
            spec = forked_spec(parse_spec(parent.spec), overrides, after_round=forked.round)
            if require is not None:
                require(spec)
            more: dict[str, Any] = {
                "forked": forked,
                "submitted_by": submitted_by,
                "retry": parent.retry,
                "resources": declared(parent.resources) or None,
            }
            labels = [tag.tag for tag in parent.tags] if tags is None else tags
            if key is None:
                return queue_experiment(session, spec, labels, **more).to_record(), True
            row, is_new = queue_once(session, spec, labels, key=key, **more)
            return row.to_record(), is_new


def _kept_round(session: Session, parent: ExperimentRow, wanted: int | None) -> int:
    """The round of the checkpoint that an experiment left behind."""
    require_ended(parent, "forked", hint="wait for its end, or cancel it: it leaves a checkpoint then")
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

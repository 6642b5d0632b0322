"""`EditStore`: what people change about an experiment beside its spec: its tags, and whether it is archived."""

from __future__ import annotations

from collections.abc import Sequence

from api.domain.records import ExperimentRecord
from api.store.database import Database
from api.store.engine import now
from api.store.lookup import find, require_ended
from api.store.tables import ExperimentRow, TagRow
from heron_ray.errors import StaleEditError


class EditStore(Database):
    """Edits, each of which raises the experiment's revision by one. `Store.edits` is one over the same database."""

    def edit(
        self, id: str, *, tags: Sequence[str] | None = None, archived: bool | None = None, revision: int | None = None
    ) -> ExperimentRecord:
        """Change what is given and leave the rest; what changes nothing is no edit.

        Args:
            id: The experiment.
            tags: All the tags it has from now on.
            archived: Whether it is out of the lists from now on.
            revision: The one the editor has seen; None: whatever it is.

        Raises:
            NotFoundError: No such experiment.
            StaleEditError: It is at another revision.
            ConflictError: It has not ended and cannot be archived.
        """
        with self._writing() as session:
            row = find(session, id, lock=True)
            if revision is not None and revision != row.revision:
                raise StaleEditError(
                    f"experiment {id} was edited in the meantime: it is at revision {row.revision}, not {revision}",
                    revision=row.revision,
                    hint="read it again and repeat the edit",
                )
            before = (row.archived_at, [tag.tag for tag in row.tags])
            at = now(session)
            if archived is not None and archived != (row.archived_at is not None):
                require_ended(row, "archived", hint="cancel it first")
                row.archived_at = at if archived else None
            if tags is not None:
                _retag(row, tags)
            if before != (row.archived_at, [tag.tag for tag in row.tags]):
                row.revision += 1
                row.updated_at = at
            return row.to_record()


def _retag(row: ExperimentRow, tags: Sequence[str]) -> None:
    kept = {tag.tag: tag for tag in row.tags}
    row.tags = [kept.get(tag) or TagRow(tag=tag) for tag in dict.fromkeys(tags)]
    for position, tag in enumerate(row.tags):
        tag.position = position

"""`Leftovers`: removes checkpoints that nothing continues from, and whatever belongs to experiments that were deleted."""

from __future__ import annotations

import logging
import re
import shutil
import time
from pathlib import Path

from api.domain.states import TERMINAL
from api.store import Store
from heron_ray.errors import NotFoundError

LOG = logging.getLogger(__name__)

# A service that has run for long has very many folders of artifacts.
ARTIFACTS_EVERY_S = 300.0
ID = re.compile(r"[0-9a-f]{16}")


class Leftovers:
    """Looks through the folders of checkpoints and of artifacts, which hold one folder per experiment.

    The folder of an experiment that the database does not know is removed only where this object has seen the experiment
    there before. Otherwise it may just as well be the wrong database that the service was started with.
    """

    def __init__(self, store: Store, *, checkpoints: Path, artifacts: Path) -> None:
        """Nothing is removed before `sweep`."""
        self._store = store
        self._checkpoints = checkpoints
        self._artifacts = artifacts
        self._sweep_artifacts_at = 0.0
        self._seen: set[str] = set()
        self._told: set[str] = set()

    def sweep(self, *, keep: set[str]) -> None:
        """Remove what was left by experiments that ended or were deleted while nobody looked.

        Args:
            keep: The ids of experiments that run: they are in the database.

        Raises:
            DatabaseError: It does not say which experiments there are; nothing was removed.
        """
        self._seen |= keep
        for id in _folders(self._checkpoints) - keep:
            self.remove_checkpoints(id)
        if time.monotonic() >= self._sweep_artifacts_at:
            self.remove_artifacts(keep=keep)
            self._sweep_artifacts_at = time.monotonic() + ARTIFACTS_EVERY_S

    def remove_checkpoints(self, experiment_id: str) -> None:
        """Checkpoints serve to continue; nothing continues after the end."""
        try:
            is_over = self._store.get(experiment_id).state in TERMINAL
            self._seen.add(experiment_id)
        except NotFoundError:
            is_over = experiment_id in self._seen
        if is_over:
            shutil.rmtree(self._checkpoints / experiment_id, ignore_errors=True)

    def remove_artifacts(self, *, keep: set[str]) -> None:
        """Those of deleted experiments, unless a fork that has not ended may still begin with them."""
        folders = _folders(self._artifacts)
        unknown = self._store.artifacts.unknown(folders - keep)
        self._seen |= folders - unknown
        # Asked second: a fork is in the database before its parent can be deleted.
        for id in (unknown & self._seen) - self._store.artifacts.parents_of_unfinished():
            LOG.info("removing the artifacts of experiment %s, which was deleted", id)
            shutil.rmtree(self._artifacts / id, ignore_errors=True)
        self._tell_of(unknown - self._seen)

    def _tell_of(self, strangers: set[str]) -> None:
        """Once of each."""
        for id in sorted(strangers - self._told):
            LOG.warning("%s belongs to no experiment of this database; it is left alone", self._artifacts / id)
        self._told |= strangers


def _folders(parent: Path) -> set[str]:
    """Those that are named as experiments are; nothing else there is ours."""
    return {path.name for path in parent.iterdir() if ID.fullmatch(path.name)} if parent.is_dir() else set()

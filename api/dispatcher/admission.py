"""`Admission`: claims the queued experiment that may begin next, and writes down why the others wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from api.dispatcher import cluster
from api.dispatcher.estimates import Estimates
from api.dispatcher.handle import Driver
from api.dispatcher.settings import DispatcherSettings
from api.domain.admission import Candidate, Decision, Resources, decide
from api.domain.records import AttemptRecord, ExperimentRecord
from api.store import Store

LOG = logging.getLogger(__name__)

LOOK = 20
"""Queued experiments that are looked at, oldest first; those behind them wait for their turn."""

EXPLAIN_EVERY_S = 1.0


class Admission:
    """Knows what the cluster has, what running experiments were let in with, and what queued ones need."""

    def __init__(self, store: Store, settings: DispatcherSettings) -> None:
        """Nothing is looked at yet."""
        self._store = store
        self._settings = settings
        self._estimates = Estimates()
        self._refused_since: dict[str, float] = {}
        self._explain_at = 0.0

    def claim(self, driver: Driver, running: Sequence[ExperimentRecord]) -> tuple[ExperimentRecord, AttemptRecord] | None:
        """Claim the experiment that may begin now.

        Args:
            driver: An idle driver; it makes estimates.
            running: The experiments that run.

        Returns:
            None where none may, or it is not yet known what the next one needs.

        Raises:
            LostActorError, ExhaustedMemoryError: The driver is gone.
        """
        queue = self._store.queued(limit=LOOK)
        if not queue:
            self._refused_since.clear()
            return None
        total = cluster.total()
        needs = {experiment.id: self._estimates.of(experiment) for experiment in queue}
        decision = self._decide(queue, needs, total, running)
        self._note(queue, decision.waiting)
        if decision.unknown is not None:
            self._estimates.make(driver, next(experiment for experiment in queue if experiment.id == decision.unknown))
        if decision.admitted is None:
            return None
        settings = self._settings
        resources = needs[decision.admitted]
        return self._store.claim(owner=settings.owner, lease_s=settings.lease_s, id=decision.admitted, resources=resources)

    def explain(self, running: Sequence[ExperimentRecord]) -> None:
        """No driver is free: say so of the queued experiments, now and then."""
        if time.monotonic() < self._explain_at:
            return
        self._explain_at = time.monotonic() + EXPLAIN_EVERY_S
        most = self._settings.concurrency
        is_full = len(running) >= most
        told = f"waits for a free slot: {len(running)} of {most} run" if is_full else "waits for a driver process to come up"
        queue = self._store.queued(limit=LOOK)
        self._note(queue, {experiment.id: told for experiment in queue})

    def waiting(self) -> list[Resources]:
        """What the queued experiments need, oldest first, as far as it is known; an estimate in full."""
        needs = (self._estimates.of(experiment) for experiment in self._store.queued(limit=LOOK))
        return [Resources.of(known) for known in needs if known is not None]

    def _decide(
        self,
        queue: Sequence[ExperimentRecord],
        needs: dict[str, dict[str, Any] | None],
        total: Resources,
        running: Sequence[ExperimentRecord],
    ) -> Decision:
        now = time.monotonic()
        candidates = [self._candidate(experiment.id, needs[experiment.id], total, now) for experiment in queue]
        used = sum((Resources.of(experiment.resources or {}) for experiment in running), Resources())
        decision = decide(candidates, total=total, used=used, patience_s=self._settings.overtake_s)
        self._refused_since = {id: self._refused_since.get(id, now) for id in decision.refused}
        return decision

    def _candidate(self, id: str, needs: dict[str, Any] | None, total: Resources, now: float) -> Candidate:
        if needs is None:
            return Candidate(id=id, needs=None)
        wanted, estimated = Resources.of(needs), needs.get("estimated", ())
        if "cpus" in estimated and wanted.cpus > total.cpus:
            # Too few cores make a run slow, not impossible.
            needs["cpus"] = total.cpus
            wanted = Resources.of(needs)
        return Candidate(
            id=id,
            needs=wanted,
            estimated="memory_bytes" in estimated,
            refused_s=now - self._refused_since.get(id, now),
        )

    def _note(self, queue: Sequence[ExperimentRecord], reasons: Any) -> None:
        known = {experiment.id: experiment.waiting for experiment in queue}
        if changed := {id: reason for id, reason in reasons.items() if known[id] != reason}:
            self._store.note_waiting(changed)

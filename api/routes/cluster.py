"""The route of the cluster: its dispatchers, nodes and slots, and the queue."""

from __future__ import annotations

from fastapi import APIRouter

from api.domain.states import State
from api.routes.cluster_wire import Cluster, Dispatcher, Queue, QueuedExperiment
from api.routes.experiments import StoreParameter
from api.store import Store

router = APIRouter(prefix="/v1/cluster", tags=["service"])

MOST_WAITING = 20


@router.get("")
def show_cluster(store: StoreParameter) -> Cluster:
    """Show what experiments run on: dispatchers with their slots and Ray nodes, as they last told, and what is queued."""
    return Cluster(
        dispatchers=[Dispatcher.describe(dispatcher) for dispatcher in store.dispatchers.list()], queue=_queue(store)
    )


def _queue(store: Store) -> Queue:
    return Queue(
        length=store.count()[State.QUEUED],
        first=[QueuedExperiment.model_validate(experiment) for experiment in store.queued(limit=MOST_WAITING)],
    )

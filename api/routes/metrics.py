"""`Metrics`: what Prometheus reads at /metrics.

Labels have few values by construction: states, methods, status codes, and routes as they are declared (`/v1/experiments/{id}`,
never the address asked for).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.routes.feeds import Feeds
from api.store import Store
from heron_ray.errors import ServiceError

LOG = logging.getLogger(__name__)

CONTENT_TYPE = CONTENT_TYPE_LATEST
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one application."""

    def __init__(self, store: Store, feeds: Feeds) -> None:
        """Nothing is counted yet."""
        self._registry = CollectorRegistry()
        self._registry.register(_Service(store, feeds))
        self._requests = Counter(
            "heron_http_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._durations = Histogram(
            "heron_http_request_duration_seconds",
            "Time from a request to the start of its answer.",
            ["method", "route"],
            registry=self._registry,
        )

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        """A request was answered."""
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._durations.labels(known, route).observe(duration_s)

    def render(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


class MeasureRequests:
    """ASGI middleware that tells `metrics` of every request when its answer starts: a stream's lasts for hours."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap `app`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the time until the answer starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_at = time.perf_counter()
        status = 0

        def observe(code: int) -> None:
            nonlocal status
            status = code
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.observe(scope["method"], route, code, time.perf_counter() - began_at)

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                observe(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception:
            if not status:
                # It becomes an answer further out.
                observe(500)
            raise


class _Service(Collector):
    """What is read when Prometheus asks."""

    def __init__(self, store: Store, feeds: Feeds) -> None:
        self._store = store
        self._feeds = feeds

    def describe(self) -> list[Metric]:
        """Nothing: registering must not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Experiments by state and what they do, open streams, database connections."""
        yield GaugeMetricFamily("heron_event_streams", "Open event streams.", value=self._feeds.watchers)
        in_use, idle = self._store.connections()
        connections = GaugeMetricFamily("heron_database_connections", "Connections to the database.", labels=["state"])
        connections.add_metric(["in_use"], in_use)
        connections.add_metric(["idle"], idle)
        yield connections
        try:
            counts = self._store.count()
            rounds, oldest = self._store.activity()
        except ServiceError as error:
            LOG.warning("experiments cannot be counted: %s", error)
            counts = None
        yield GaugeMetricFamily("heron_database_up", "1 where the database answers.", value=counts is not None)
        if counts is not None:
            experiments = GaugeMetricFamily("heron_experiments", "Experiments by state.", labels=["state"])
            for state, count in counts.items():
                experiments.add_metric([state.value], count)
            yield experiments
            yield GaugeMetricFamily("heron_running_rounds", "Rounds that the running experiments have finished.", value=rounds)
            waits = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
            yield GaugeMetricFamily(
                "heron_queue_oldest_seconds", "Time since the oldest queued one was submitted.", value=waits
            )

"""`create_app`: the ASGI application, made from its settings and an open store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.routing import APIRoute

from api.routes.actions import router as actions_router
from api.routes.address import RefuseNul
from api.routes.artifacts import router as artifacts_router
from api.routes.body_limit import BodyLimit
from api.routes.catalogue import router as catalogue_router
from api.routes.cluster import router as cluster_router
from api.routes.comparisons import router as comparisons_router
from api.routes.documentation import documentation_page
from api.routes.events import router as events_router
from api.routes.experiments import StoreParameter, router
from api.routes.exports import router as exports_router
from api.routes.feeds import Feeds
from api.routes.figures import router as figures_router
from api.routes.forks import router as forks_router
from api.routes.frame import Frame
from api.routes.gate import Gate
from api.routes.json_limit import JsonLimit
from api.routes.key_ring import KeyRing
from api.routes.lists import router as lists_router
from api.routes.logs import router as logs_router
from api.routes.metrics import CONTENT_TYPE, MeasureRequests, Metrics
from api.routes.pages import install_pages
from api.routes.problems import install_problem_handlers, refusals
from api.routes.series import router as series_router
from api.routes.sessions import router as sessions_router
from api.routes.specs import router as specs_router
from api.routes.standing import router as standing_router
from api.routes.studies import router as studies_router
from api.routes.sweeps import router as sweeps_router
from api.routes.wire import Health
from api.settings import Settings
from api.store import Store

DESCRIPTION = (
    "Submit experiments of split federated learning, follow them live, and read their results."
    " Every error is a problem document (RFC 9457) with a stable code. Requests from the service's own machine need no key;"
    " all others need the header Authorization: Bearer KEY, or a browser's session."
)
# The page holds its own style and nothing that runs.
DOCUMENTATION_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def create_app(settings: Settings, store: Store) -> FastAPI:
    """The REST API over `store`, which stays the caller's to close."""
    keys = KeyRing(store, memory_s=settings.key_memory_s)
    app = FastAPI(
        title="heron-ray",
        version=version("heron-ray"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        responses=refusals(401, 403, 429),
        lifespan=lambda _app: _closing(keys),
        generate_unique_id_function=_operation_id,
    )
    app.state.store = store
    app.state.keys = keys
    app.state.settings = settings
    feeds = app.state.feeds = Feeds(store, settings)
    metrics = app.state.metrics = Metrics(store, feeds)
    _install_middleware(app, settings, keys, metrics)
    install_problem_handlers(app)
    # One line per router of the API.
    app.include_router(lists_router)
    app.include_router(comparisons_router)
    app.include_router(router)
    app.include_router(events_router)
    app.include_router(actions_router)
    app.include_router(catalogue_router)
    app.include_router(sweeps_router)
    app.include_router(studies_router)
    app.include_router(figures_router)
    app.include_router(series_router)
    app.include_router(exports_router)
    app.include_router(standing_router)
    app.include_router(artifacts_router)
    app.include_router(logs_router)
    app.include_router(forks_router)
    app.include_router(specs_router)
    app.include_router(cluster_router)
    app.include_router(sessions_router)
    install_pages(app)
    app.add_api_route("/healthz", _health, name="check_health", tags=["service"])
    app.add_api_route("/metrics", _metrics, name="read_metrics", response_class=PlainTextResponse, tags=["service"])
    app.add_api_route("/docs", _documentation, response_class=HTMLResponse, include_in_schema=False)
    return app


def _install_middleware(app: FastAPI, settings: Settings, keys: KeyRing, metrics: Metrics) -> None:
    # The last one is the first that a request meets.
    app.add_middleware(JsonLimit, max_depth=settings.max_json_depth, max_values=settings.max_json_values)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(RefuseNul)
    app.add_middleware(Gate, settings=settings, keys=keys)
    app.add_middleware(MeasureRequests, metrics=metrics)
    app.add_middleware(Frame)


@asynccontextmanager
async def _closing(keys: KeyRing) -> AsyncIterator[None]:
    yield
    await keys.close()


def _operation_id(route: APIRoute) -> str:
    """The name of the function that answers: a generated client calls it `list_experiments`, as we do."""
    return route.name


def _health(store: StoreParameter) -> Health:
    """Whether the service and its database answer."""
    store.list(limit=1)
    return Health(status="ok", version=version("heron-ray"))


def _metrics(request: Request) -> Response:
    """What Prometheus scrapes: experiments by state, requests, open event streams, database connections."""
    metrics = request.app.state.metrics
    assert isinstance(metrics, Metrics)  # noqa: S101 - tells mypy what create_app put there
    return Response(metrics.render(), media_type=CONTENT_TYPE)


def _documentation(request: Request) -> HTMLResponse:
    app = request.app
    assert isinstance(app, FastAPI)  # noqa: S101 - tells mypy which application serves the request
    page = documentation_page(app.openapi(), str(request.base_url))
    return HTMLResponse(page, headers={"Content-Security-Policy": DOCUMENTATION_POLICY})

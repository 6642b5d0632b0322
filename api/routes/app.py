"""`create_app`: the ASGI application, made from its settings and an open store."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from api.routes.artifacts import router as artifacts_router
from api.routes.body_limit import BodyLimit
from api.routes.catalogue import router as catalogue_router
from api.routes.documentation import documentation_page
from api.routes.experiments import StoreParameter, router
from api.routes.feeds import Feeds
from api.routes.figures import router as figures_router
from api.routes.forks import router as forks_router
from api.routes.logs import router as logs_router
from api.routes.metrics import CONTENT_TYPE, MeasureRequests, Metrics
from api.routes.pages import install_pages
from api.routes.problems import install_problem_handlers
from api.routes.sweeps import router as sweeps_router
from api.routes.wire import Health
from api.settings import Settings
from api.store import Store

DESCRIPTION = (
    "Submit experiments of split federated learning, follow them live, and read their results."
    " Every error is a problem document (RFC 9457) with a stable code."
)


def create_app(settings: Settings, store: Store) -> FastAPI:
    """The REST API over `store`, which stays the caller's to close."""
    app = FastAPI(title="heron-ray", version=version("heron-ray"), description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.state.store = store
    app.state.settings = settings
    feeds = app.state.feeds = Feeds(store, settings)
    metrics = app.state.metrics = Metrics(store, feeds)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(MeasureRequests, metrics=metrics)
    install_problem_handlers(app)
    # One line per router of the API.
    app.include_router(router)
    app.include_router(catalogue_router)
    app.include_router(sweeps_router)
    app.include_router(figures_router)
    app.include_router(artifacts_router)
    app.include_router(logs_router)
    app.include_router(forks_router)
    install_pages(app)
    app.add_api_route("/healthz", _health, tags=["service"])
    app.add_api_route("/metrics", _metrics, response_class=PlainTextResponse, tags=["service"])
    app.add_api_route("/docs", _documentation, response_class=HTMLResponse, include_in_schema=False)
    return app


def _health(store: StoreParameter) -> Health:
    """Whether the service and its database answer."""
    store.list(limit=1)
    return Health(status="ok", version=version("heron-ray"))


def _metrics(request: Request) -> Response:
    """What Prometheus scrapes: experiments by state, requests, open event streams, database connections."""
    metrics = request.app.state.metrics
    assert isinstance(metrics, Metrics)  # noqa: S101 - tells mypy what create_app put there
    return Response(metrics.render(), media_type=CONTENT_TYPE)


def _documentation(request: Request) -> str:
    app = request.app
    assert isinstance(app, FastAPI)  # noqa: S101 - tells mypy which application serves the request
    return documentation_page(app.openapi(), str(request.base_url))

"""The pages for people: static files of `dashboards/web`, which talk to the public REST API and to nothing else."""

from __future__ import annotations

from pathlib import Path

import plotly
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from api.domain.access import PAGES

# Beside `api/` in a checkout and in an installed wheel alike.
WEB = Path(__file__).parents[2] / "dashboards" / "web"
PLOTLY = Path(plotly.__file__).parent / "package_data"
PLOTLY_FILE = "plotly.min.js"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    # Asked for anew each time and answered 304 while unchanged, so an upgrade shows at once.
    "Cache-Control": "no-cache",
}


def install_pages(app: FastAPI) -> None:
    """Serve the pages, their assets and plotly.js with `app`."""
    plotly_files = StaticFiles(directory=PLOTLY)

    async def plotly_script(request: Request) -> Response:
        return _with_headers(await plotly_files.get_response(PLOTLY_FILE, request.scope))

    app.add_api_route("/", _home, include_in_schema=False)
    for path in PAGES:
        app.add_api_route(path, _page, include_in_schema=False)
    app.add_api_route(f"/assets/{PLOTLY_FILE}", plotly_script, include_in_schema=False)
    app.mount("/assets", _Assets(directory=WEB))


class _Assets(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        return _with_headers(await super().get_response(path, scope))


async def _home() -> RedirectResponse:
    return RedirectResponse("/experiments")


async def _page() -> FileResponse:
    """One document for every page; its script reads the address."""
    return FileResponse(WEB / "page.html", headers=HEADERS)


def _with_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response

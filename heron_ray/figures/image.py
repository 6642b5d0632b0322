"""Figures as SVG and PNG files. Plotly draws in a browser alone, so one has to be there; none is ever downloaded."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from heron_ray.errors import MissingToolError
from heron_ray.files import write_whole

FORMATS = ("svg", "png")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
# Four dots per CSS pixel of 1/96 inch: 384 dpi in print.
DOTS = 4
# The browser gets an address where nothing listens for its proxy: what it draws lies in files, and nothing leaves the machine.
_NOWHERE = "127.0.0.1:9"


def find_browser(chosen: Path | None = None) -> Path:
    """The browser that draws.

    Args:
        chosen: The one to use; None: the first that the search path has.

    Raises:
        MissingToolError: There is none.
    """
    if chosen is not None:
        if os.access(chosen, os.X_OK) and chosen.is_file():
            return chosen
        raise MissingToolError(f"{chosen} is no program that can be run", hint="name the program of Chromium or Chrome")
    for name in BROWSERS:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise MissingToolError(
        f"SVG and PNG are drawn by a browser, and there is none here: looked for {', '.join(BROWSERS)}",
        hint="install Chromium (Debian, Ubuntu: apt-get install chromium), or name one with --browser; HTML needs none",
    )


def write_images(figures: Mapping[Path, Mapping[str, Any]], *, browser: Path | None = None, dots: float = DOTS) -> None:
    """Write figures as files, each whole or not at all, drawn by one browser one after another.

    Args:
        figures: Where to, ending in .svg or .png, and a Plotly figure that says its width and height in its layout. A file's
            directory is created.
        browser: The program that draws; None: `find_browser` finds it.
        dots: Of a PNG, per CSS pixel.

    Raises:
        MissingToolError: There is no browser, or it did not draw.
        ValueError: A figure is not one that Plotly can draw.
        OSError: A file cannot be written.
    """
    path = find_browser(browser)
    # Both take a while to import, so only who writes an image waits for them.
    import plotly.graph_objects

    checked = {file: plotly.graph_objects.Figure(dict(figure)).to_dict() for file, figure in figures.items()}
    # In a thread, because the caller may be a notebook, whose own has an event loop already.
    with ThreadPoolExecutor(1) as thread:
        images = thread.submit(lambda: asyncio.run(_draw(checked, path, dots))).result()
    for file, image in images.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, image)


async def _draw(figures: Mapping[Path, dict[str, Any]], browser: Path, dots: float) -> dict[Path, bytes]:
    import kaleido
    from kaleido.errors import BrowserClosedError, BrowserFailedError, JavascriptError, KaleidoError

    try:
        # MathJax would be loaded from elsewhere; no figure here has formulas.
        async with kaleido.Kaleido(path=browser, mathjax=False, proxy_server=_NOWHERE) as drawing:
            drawn = {}
            for file, figure in figures.items():
                layout = figure["layout"]
                is_svg = file.suffix == ".svg"
                options = {
                    "format": file.suffix.removeprefix("."),
                    "width": layout.get("width", 700),
                    "height": layout.get("height", 500),
                    "scale": 1 if is_svg else dots,
                }
                drawn[file] = await drawing.calc_fig(figure, opts=options)
            return drawn
    except (BrowserClosedError, BrowserFailedError, JavascriptError, KaleidoError, TimeoutError) as error:
        message = f"{browser} did not draw: {str(error) or type(error).__name__}"
        raise MissingToolError(message, hint="try another browser with --browser, or write HTML, which needs none") from error

"""A figure as a page of its own, with plotly.js from the installed package inside: it opens without a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heron_ray.files import write_whole


def write_html(figure: Mapping[str, Any], path: Path) -> None:
    """Write a standalone HTML file, whole or not at all.

    Args:
        figure: A Plotly figure as plain JSON values.
        path: Where to; its directory is created.

    Raises:
        ValueError: The figure is not one that Plotly can draw.
        OSError: The file cannot be written.
    """
    # plotly takes a while to import, so only who writes a file waits for it.
    import plotly.io

    page = plotly.io.to_html(dict(figure), include_plotlyjs=True, full_html=True, validate=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page)

"""`heron plot`: the figures of runs, sweeps and studies as files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import print_json
from heron_ray.errors import NotFoundError, RecordError

Figures = dict[str, dict[str, Any]]
ENDINGS = (".html", ".svg", ".png")


def _check_output(_context: click.Context, _parameter: click.Parameter, value: Path) -> Path:
    if value.suffix not in ENDINGS:
        raise click.BadParameter(f"{value} must end in one of {', '.join(ENDINGS)}")
    return value


@click.command("plot")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_check_output,
    required=True,
    metavar="FILE",
    help="Where to; .html, .svg or .png says what is written. Of several figures each gets its name into the file's.",
)
@click.option("--figure", "wanted", metavar="NAME", help="Only this figure, such as accuracy; it goes to FILE itself.")
@click.option("--width", type=click.IntRange(100, 10_000), help="Of SVG and PNG, in pixels of 1/96 inch.")
@click.option("--height", type=click.IntRange(100, 10_000), help="Of SVG and PNG, in the same pixels.")
@click.option("--type-size", type=click.IntRange(4, 100), default=12, show_default=True, help="Of ordinary type, likewise.")
@click.option("--dots", type=click.FloatRange(0.5, 20), default=4, show_default=True, help="Of a PNG, per such pixel.")
@click.option(
    "--browser",
    type=click.Path(path_type=Path),
    envvar="HERON_BROWSER",
    show_envvar=True,
    metavar="PROGRAM",
    help="Chromium or Chrome, which draws SVG and PNG.  [default: the first on the search path]",
)
@url_option
@key_option
@json_option
def command(
    runs: tuple[str, ...],
    output: Path,
    wanted: str | None,
    width: int | None,
    height: int | None,
    type_size: int,
    dots: float,
    browser: Path | None,
    url: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Draw the figures of runs, a sweep or a study as HTML, SVG or PNG.

    RUN is the id of an experiment or sweep of the service, the folder of `heron run --out` or `heron download`, a file of
    `heron run --events`, or the results folder of `heron study run`. Several runs are drawn side by side.

    HTML needs no network to open. SVG and PNG are white, with type of nine points at their natural size; a browser draws them.
    """
    figures = _figures(runs, url, key)
    files = _named(figures, wanted, output)
    if output.suffix == ".html":
        from heron_ray.figures import write_html

        for file, figure in files.items():
            write_html({**figure, "layout": {"template": "plotly_white", **figure["layout"]}}, file)
    else:
        from heron_ray.figures import for_paper, write_images

        printed = {file: for_paper(figure, width=width, height=height, type_px=type_size) for file, figure in files.items()}
        write_images(printed, browser=browser, dots=dots)
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        click.echo(str(file))


def _figures(runs: tuple[str, ...], url: str, key: str | None) -> Figures:
    from heron_ray.cli.runs import records_of
    from heron_ray.reports import draw, is_local

    if len(runs) == 1 and is_local(runs[0]) and (studied := _study_figures(Path(runs[0]))):
        return studied
    try:
        return draw(records_of(runs, url, key))
    except NotFoundError:
        if len(runs) > 1:
            raise
        return _sweep_figures(runs[0], url, key)


def _sweep_figures(id: str, url: str, key: str | None) -> Figures:
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        return {name: figure for name, figure in client.sweep_figures(id).items() if figure["data"]}


def _study_figures(folder: Path) -> Figures:
    """Those that a study left in its folder; none where it is no such folder."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("figure-*.json"))}


def _named(figures: Figures, wanted: str | None, output: Path) -> dict[Path, dict[str, Any]]:
    if not figures:
        raise RecordError("there is nothing to draw yet: not one point was measured")
    if wanted is not None:
        if wanted not in figures:
            raise click.UsageError(f"there is no figure {wanted!r} here, but: {', '.join(figures)}")
        return {output: figures[wanted]}
    if len(figures) == 1:
        return dict(zip([output], figures.values(), strict=True))
    return {output.with_stem(f"{output.stem}-{_slug(name)}"): figure for name, figure in figures.items()}


def _slug(name: str) -> str:
    """A figure's name as part of a file's.

    >>> _slug("slice: method.zeroth_order.mu: max validation_accuracy")
    'slice-method.zeroth_order.mu-max-validation_accuracy'
    """
    return re.sub(r"[^\w.]+", "-", name).strip("-")

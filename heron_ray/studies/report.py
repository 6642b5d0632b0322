"""From a study's rows to the files in its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from heron_ray.errors import StudyError
from heron_ray.figures import write_html
from heron_ray.files import write_whole
from heron_ray.spec.study import StudySpec
from heron_ray.studies.drawing import draw
from heron_ray.studies.table import Row, cells_csv, groups_of, summary_csv


def write_report(study: StudySpec, rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write both tables and every figure, as a page and as Plotly JSON.

    Args:
        study: The study.
        rows: A row for every cell.
        folder: Where they go; it is made where it is missing.

    Returns:
        The files.

    Raises:
        StudyError: One cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write(study, rows, folder)
    except OSError as error:
        raise StudyError(f"cannot write to {folder}: {error}", hint="free disk space, then try again") from error


def _write(study: StudySpec, rows: Sequence[Row], folder: Path) -> list[Path]:
    groups = groups_of(rows)
    written = {"cells.csv": cells_csv(rows), "summary.csv": summary_csv(groups)}
    for name, text in written.items():
        write_whole(folder / name, text)
    paths = [folder / name for name in written]
    for number, figure in enumerate(study.figures, start=1):
        drawn, stem = draw(study, figure, groups), f"figure-{number}-{figure.kind}"
        write_whole(folder / f"{stem}.json", json.dumps(drawn))
        write_html(drawn, folder / f"{stem}.html")
        paths += [folder / f"{stem}.json", folder / f"{stem}.html"]
    return paths

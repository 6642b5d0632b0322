"""The accuracies of a cell while it runs: a line of JSON for each evaluation.

A run that was interrupted and went on from a checkpoint writes some of them twice, equal, so a round counts once.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from heron_ray.errors import StudyError
from heron_ray.figures.curve import Curve
from heron_ray.simulation.events import Event, RoundFinished
from heron_ray.studies.table import ACCURACIES


class CurveSink:
    """Appends the accuracies of a run to a file."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises StudyError if it cannot be written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise StudyError(f"cannot write to {path}: {error}", hint="free disk space, then run the study again") from error

    def emit(self, event: Event) -> None:
        """Write and flush the line of a round that was evaluated."""
        if not isinstance(event, RoundFinished):
            return
        found = {column: event.metrics[column] for column in ACCURACIES if column in event.metrics}
        if found:
            # A line of its own, whatever half a line a killed process left before it.
            self._file.write("\n" + json.dumps({"round": event.round, **found}) + "\n")
            self._file.flush()

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Close the file."""
        self._file.close()


def read_curves(path: Path) -> dict[str, Curve]:
    """Every column that has points, in the order of rounds; nothing where there is no file."""
    points: dict[str, dict[int, float | None]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            continue  # empty, or half a line
        round = told.pop("round")
        for column, value in told.items():
            points.setdefault(column, {})[round] = value
    return {
        column: {"rounds": sorted(found), "values": [found[round] for round in sorted(found)]}
        for column, found in points.items()
    }

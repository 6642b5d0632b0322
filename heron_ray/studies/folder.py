"""Where a study's results lie, each under the full trajectory hash of its experiment.

    OUT/cells/HASH/result.json     how a cell ended, its spec and the software it ran on; written whole or not at all
    OUT/cells/HASH/checkpoints     while it is not finished
    OUT/cells/HASH/curves.jsonl    its accuracies so far, while it is not finished
    OUT/cells.csv, summary.csv     tables
    OUT/figure-1-worst_case.html   each figure as a page, and beside it the same as Plotly JSON

A cell is finished when its run succeeded or diverged: the same experiment would do so again. Whatever else ended it may be gone
the next time, so it is tried again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heron_ray.errors import StudyError
from heron_ray.files import hold_lock, write_whole
from heron_ray.simulation import Checkpointer

FINAL = ("SUCCEEDED", "DIVERGED")


class StudyFolder:
    """The results of a study, and of any other that is run in the same folder."""

    def __init__(self, path: Path) -> None:
        """Use `path`; it is created when it is locked."""
        self.path = path

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other studies out of the folder; a lock that dies with the process. Raises StudyError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = hold_lock(self.path / ".lock")
        except BlockingIOError:
            message = f"another study is running in {self.path}"
            raise StudyError(message, hint="wait for it to end, or choose another folder with --out") from None
        except OSError as error:
            raise StudyError(f"cannot write to {self.path}: {error}", hint="choose another folder with --out") from error
        with lock:
            yield

    def outcome(self, key: str) -> dict[str, Any] | None:
        """How the cell with that trajectory hash ended; None where it is not finished or its file is damaged."""
        try:
            outcome: dict[str, Any] = json.loads((self._cell(key) / "result.json").read_text(encoding="utf-8"))
            return outcome if outcome["trajectory_hash"] == key and outcome["state"] in FINAL else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, key: str, outcome: Mapping[str, Any]) -> None:
        """Write how a cell ended; its checkpoints are not needed any more. Raises StudyError if the disk does not take it."""
        cell = self._cell(key)
        try:
            cell.mkdir(parents=True, exist_ok=True)
            write_whole(cell / "result.json", json.dumps({**outcome, "trajectory_hash": key}, indent=1))
        except OSError as error:
            raise StudyError(f"cannot write to {cell}: {error}", hint="free disk space, then run the study again") from error
        shutil.rmtree(cell / "checkpoints", ignore_errors=True)
        self.curves(key).unlink(missing_ok=True)

    def checkpointer(self, key: str) -> Checkpointer:
        """Where a cell keeps checkpoints while it runs."""
        return Checkpointer(self._cell(key) / "checkpoints")

    def curves(self, key: str) -> Path:
        """Where a cell's accuracies stand while it runs."""
        return self._cell(key) / "curves.jsonl"

    def _cell(self, key: str) -> Path:
        return self.path / "cells" / key

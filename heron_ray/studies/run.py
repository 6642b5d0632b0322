"""Running a study's cells, those that have no result yet, here or in several processes."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from heron_ray.spec import ExperimentSpec
from heron_ray.studies.cells import Cell
from heron_ray.studies.folder import StudyFolder
from heron_ray.studies.worker import run_cell, work

LOOK_S = 0.2

Ended = Callable[[ExperimentSpec, dict[str, Any]], None]
"""Told of every cell that has just ended: its spec, and how."""


def run_cells(
    cells: Sequence[Cell],
    folder: StudyFolder,
    *,
    workers: int,
    should_stop: Callable[[], bool] = lambda: False,
    ended: Ended = lambda spec, outcome: None,
) -> dict[str, dict[str, Any]]:
    """Bring every possible cell to its end.

    Cells with the same trajectory hash are one experiment. Finished ones are read, the others run; which process runs which has
    no part in any figure.

    Args:
        cells: The study's cells.
        folder: Where results lie and are put; the caller has locked it.
        workers: Processes that run cells at the same time. 1: this one does.
        should_stop: Asked again and again; after True, running cells end after their round with a checkpoint and none begins.
        ended: Told of every cell that was run.

    Returns:
        How each experiment ended, by trajectory hash, as `run_cell` says; those that never began are missing.

    Raises:
        StudyError: A result could not be kept.
    """
    specs = {cell.key: cell.spec for cell in cells if cell.key is not None and cell.spec is not None}
    outcomes = {key: outcome for key in specs if (outcome := folder.outcome(key)) is not None}
    waiting = [spec for key, spec in specs.items() if key not in outcomes]
    run = _run_here if workers == 1 else _run_in_processes
    for spec, outcome in run(waiting, folder, min(workers, max(len(waiting), 1)), should_stop):
        outcomes[spec.trajectory_hash()] = outcome
        ended(spec, outcome)
    return outcomes


_Outcomes = Iterator[tuple[ExperimentSpec, dict[str, Any]]]


def _run_here(specs: Sequence[ExperimentSpec], folder: StudyFolder, workers: int, should_stop: Callable[[], bool]) -> _Outcomes:
    for spec in specs:
        if should_stop():
            return
        yield spec, run_cell(spec, folder, should_stop)


@dataclass(slots=True, kw_only=True)
class _Worker:
    """A process, the way to it, and the cell it runs."""

    process: SpawnProcess
    connection: Connection
    spec: ExperimentSpec | None = None

    @classmethod
    def start(cls, folder: StudyFolder) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, folder.path), daemon=True)
        process.start()
        theirs.close()
        return cls(process=process, connection=ours)

    def give(self, spec: ExperimentSpec) -> None:
        self.spec = spec
        with contextlib.suppress(OSError):  # it is gone, which `take` finds out
            self.connection.send_bytes(json.dumps(spec.canonical()).encode())

    def take(self) -> tuple[ExperimentSpec, dict[str, Any]]:
        """The cell that has ended, and how; also where its process is gone."""
        assert self.spec is not None  # noqa: S101 - only busy workers are waited for
        spec, self.spec = self.spec, None
        try:
            return spec, json.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            self.process.join()
            message = f"the process that ran this cell died with exit code {self.process.exitcode}"
            return spec, {"state": "FAILED", "reason": "worker_lost", "message": message, "result": None}

    def stop(self) -> None:
        """Ask for the end: of the cell it runs, then of itself."""
        with contextlib.suppress(OSError):  # it is gone: so much the better
            self.connection.send_bytes(b"")

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.connection.close()


def _run_in_processes(
    specs: Sequence[ExperimentSpec], folder: StudyFolder, workers: int, should_stop: Callable[[], bool]
) -> _Outcomes:
    waiting = list(reversed(specs))
    team = [_Worker.start(folder) for _ in range(workers if waiting else 0)]
    asked = False
    try:
        while True:
            if not asked and should_stop():
                asked = True
                waiting.clear()
                for worker in team:
                    worker.stop()
            for worker in team:
                if worker.spec is None and waiting:
                    worker.give(waiting.pop())
            busy = {worker.connection: worker for worker in team if worker.spec is not None}
            if not busy:
                return
            for ready in wait(list(busy), timeout=LOOK_S):
                worker = next(worker for connection, worker in busy.items() if connection is ready)
                yield worker.take()
                if not worker.process.is_alive() and waiting:
                    team[team.index(worker)] = _Worker.start(folder)
    finally:
        for worker in team:
            worker.end()

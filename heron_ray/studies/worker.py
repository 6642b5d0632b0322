"""One cell after another, in this process or in one of its own."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from heron_ray.errors import DivergedError, HeronError
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.simulation.checkpoint import provenance
from heron_ray.spec import ExperimentSpec, parse_spec
from heron_ray.studies.curves import CurveSink, read_curves
from heron_ray.studies.folder import FINAL, StudyFolder


def run_cell(spec: ExperimentSpec, folder: StudyFolder, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """Run an experiment, or go on with it where it was interrupted, on the local executor.

    Returns:
        `state` (SUCCEEDED, DIVERGED, FAILED or CANCELLED), `reason` and `message` where it did not succeed, `result` where it
        did, and `curves`: accuracies by column. The folder keeps those that are final.
    """
    key = spec.trajectory_hash()
    outcome = _run(spec, folder, key, should_stop)
    outcome |= {"curves": read_curves(folder.curves(key)), "spec": spec.canonical(), "provenance": provenance()}
    if outcome["state"] in FINAL:
        folder.keep(key, outcome)
    return outcome


def _run(spec: ExperimentSpec, folder: StudyFolder, key: str, should_stop: Callable[[], bool]) -> dict[str, Any]:
    checkpointer = folder.checkpointer(key)
    try:
        with checkpointer.exclusive(), CurveSink(folder.curves(key)) as sink, LocalExecutor() as executor:
            run = Simulation(
                spec,
                executor,
                sink=sink,
                checkpointer=checkpointer,
                resume=True,
                skip_damaged=True,
                should_stop=should_stop,
            )
            result = run.run()
    except HeronError as error:
        state = "DIVERGED" if isinstance(error, DivergedError) else "FAILED"
        return {"state": state, "reason": error.code, "message": str(error), "result": None}
    ended = result.state == "SUCCEEDED"
    return {"state": result.state, "reason": None, "message": None, "result": result.to_dict() if ended else None}


def work(connection: Connection, folder: Path) -> None:
    """The life of a worker process: specs as JSON come in, outcomes go out; an empty message ends it.

    Whatever comes in while a cell runs is a wish to stop after its round. Ctrl-C is the parent's to hear.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    results = StudyFolder(folder)
    while message := connection.recv_bytes():
        outcome = run_cell(parse_spec(json.loads(message)), results, connection.poll)
        connection.send_bytes(json.dumps(outcome).encode())

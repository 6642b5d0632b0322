"""`heron run`: one experiment in this process, without a service."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from heron_ray.cli.failure import FAILED, print_error
from heron_ray.cli.options import json_option, load, set_option, spec_argument
from heron_ray.cli.output import print_fields, print_json, result_fields
from heron_ray.cli.stop_signal import StopSignal
from heron_ray.errors import HeronError

if TYPE_CHECKING:
    from heron_ray.cli.run_folder import RunFolder
    from heron_ray.cli.trace_report import TraceReport, Tracing
    from heron_ray.simulation import Checkpointer, Event, RunResult, Sink
    from heron_ray.simulation.checkpoint import Checkpoint
    from heron_ray.spec import ExperimentSpec

directory = click.Path(file_okay=False, path_type=Path)


class LastRound:
    """A sink that knows how far a run came, also when it failed."""

    def __init__(self) -> None:
        """No round is finished."""
        self.round = 0

    def emit(self, event: Event) -> None:
        """Keep the round."""
        self.round = getattr(event, "after_round", getattr(event, "round", self.round))


@click.command("run")
@spec_argument
@set_option
@click.option("--checkpoint-dir", type=directory, metavar="DIR", help="Keep checkpoints in a directory that has none yet.")
@click.option("--resume", "resume_dir", type=directory, metavar="DIR", help="Continue from the newest checkpoint in DIR.")
@click.option(
    "--out",
    type=directory,
    metavar="DIR",
    help="Keep spec, events, checkpoints, result and model in a folder of the run's own; an interrupted run goes on in it.",
)
@click.option(
    "--fork-from",
    "parent_dir",
    type=directory,
    metavar="DIR",
    help="Start from the checkpoint of another experiment: what `heron download ID -o DIR` brings.",
)
@click.option(
    "--events",
    type=click.File("a", encoding="utf-8", lazy=False),
    metavar="FILE.jsonl",
    help="Append every event to a file, one JSON object per line.",
)
@click.option(
    "--tensorboard",
    type=directory,
    metavar="DIR",
    help="Also write every round for TensorBoard, in a folder of the run's own below DIR.",
)
@click.option("--mlflow", metavar="URI", help="Also tell an MLflow server, such as http://127.0.0.1:5000, of every round.")
@click.option(
    "--trace",
    type=click.File("w", encoding="utf-8", lazy=False),
    metavar="FILE.json",
    help="Record where the rounds' time goes: a table, and a file for chrome://tracing or ui.perfetto.dev.",
)
@click.option("--progress/--no-progress", "shown", default=None, help="Show progress.  [default: on a terminal]")
@json_option
def command(
    spec: Path,
    overrides: tuple[str, ...],
    checkpoint_dir: Path | None,
    resume_dir: Path | None,
    out: Path | None,
    parent_dir: Path | None,
    events: TextIO | None,
    tensorboard: Path | None,
    mlflow: str | None,
    trace: TextIO | None,
    shown: bool | None,
    as_json: bool,
) -> None:
    """Run an experiment here, without a service.

    Ctrl-C ends it after the current round, with a checkpoint where those are kept; a second one ends it at once.
    """
    found = load(spec, overrides)
    if trace is not None and found.compute.compile:
        raise click.UsageError("--trace times the layers of models, which compiled code has none of: set compute.compile=false")
    folder = _run_folder(out, found, checkpoint_dir or resume_dir)
    checkpointer = _checkpointer(checkpoint_dir, resume_dir) if folder is None else folder.checkpointer
    last = LastRound()
    with_progress = sys.stderr.isatty() if shown is None else shown
    try:
        result, report = _run(
            found,
            checkpointer,
            last,
            folder,
            resume=resume_dir is not None or (folder is not None and folder.resumes),
            parent_dir=parent_dir,
            events=events,
            tensorboard=tensorboard,
            mlflow=mlflow,
            is_traced=trace is not None,
            with_progress=with_progress,
        )
    except HeronError as error:
        print_error(error)
        failure = _failure(found, error, last.round)
        if folder is not None:
            folder.close(failure)
        if as_json:
            print_json(failure)
        raise click.exceptions.Exit(FAILED) from None
    if folder is not None:
        folder.close(result.to_dict())
    if as_json:
        print_json(result.to_dict() | ({"trace": report.to_dict()} if report is not None else {}))
    else:
        print_fields(result_fields(result.to_dict()))
    if report is not None and trace is not None:
        report.write(trace)
        if not as_json:
            report.print()
    if result.state != "SUCCEEDED":
        raise click.exceptions.Exit(FAILED)


def _run_folder(out: Path | None, spec: ExperimentSpec, other: Path | None) -> RunFolder | None:
    if out is None:
        return None
    if other is not None:
        raise click.UsageError("--out keeps checkpoints itself: leave --checkpoint-dir and --resume out")
    from heron_ray.cli.run_folder import RunFolder

    return RunFolder(out, spec)


def _checkpointer(checkpoint_dir: Path | None, resume_dir: Path | None) -> Checkpointer | None:
    """Where checkpoints go. A fresh run never writes among another's, and a resumed one needs something to resume from."""
    from heron_ray.simulation import Checkpointer

    if checkpoint_dir is not None and resume_dir is not None:
        raise click.UsageError("give --checkpoint-dir for a fresh run or --resume to continue one, not both")
    if checkpoint_dir is not None:
        fresh = Checkpointer(checkpoint_dir)
        if fresh.paths():
            raise click.UsageError(f"{checkpoint_dir} already holds checkpoints: continue with --resume {checkpoint_dir}")
        return fresh
    if resume_dir is not None:
        kept = Checkpointer(resume_dir)
        if not kept.paths():
            raise click.UsageError(f"{resume_dir} holds no checkpoint: start with --checkpoint-dir {resume_dir}")
        return kept
    return None


def _run(
    spec: ExperimentSpec,
    checkpointer: Checkpointer | None,
    last: LastRound,
    folder: RunFolder | None,
    *,
    resume: bool,
    parent_dir: Path | None,
    events: TextIO | None,
    tensorboard: Path | None,
    mlflow: str | None,
    is_traced: bool,
    with_progress: bool,
) -> tuple[RunResult, TraceReport | None]:
    from heron_ray.actors import executor_for
    from heron_ray.simulation import JsonlSink, Simulation, Tee

    start_from = None if parent_dir is None else _beginning(parent_dir, spec)
    with contextlib.ExitStack() as stack:
        if checkpointer is not None:
            stack.enter_context(checkpointer.exclusive())
        executor = stack.enter_context(executor_for(spec))
        stop = stack.enter_context(StopSignal())
        sinks: list[Sink] = [last, stop]
        if events is not None:
            sinks.append(JsonlSink(events))
        if tensorboard is not None or mlflow is not None:
            from heron_ray.cli.tracking import sinks_of

            sinks += map(stack.enter_context, sinks_of(spec, start_from, tensorboard=tensorboard, mlflow=mlflow))
        if folder is not None:
            sinks.append(JsonlSink(stack.enter_context(folder.open())))
        if with_progress:
            from heron_ray.cli.progress import TrackSink, progress

            board = progress()
            stack.enter_context(board)
            sinks.append(TrackSink(board.track(spec.name)))
        tracing: Tracing | None = None
        if is_traced:
            from heron_ray.cli.trace_report import Tracing

            tracing = stack.enter_context(Tracing(spec, executor))
            sinks.append(tracing)
        run = Simulation(
            spec,
            executor,
            sink=Tee(*sinks),
            checkpointer=checkpointer,
            resume=resume,
            start_from=start_from,
            should_stop=stop,
        )
        return run.run(), tracing.report() if tracing is not None else None


def _beginning(parent_dir: Path, spec: ExperimentSpec) -> Checkpoint:
    """The state to start from: of the experiment whose downloaded artifacts lie in a folder."""
    from heron_ray.simulation import Checkpointer
    from heron_ray.simulation.fork import fork
    from heron_ray.spec import load_spec

    checkpoint = Checkpointer(parent_dir).load(parent_dir / "checkpoint")
    return fork(checkpoint, load_spec(parent_dir / "spec.yaml")[0], spec)


def _failure(spec: ExperimentSpec, error: HeronError, rounds: int) -> dict[str, Any]:
    """What `--json` prints for a run that failed; `rounds` counts those finished."""
    return {
        "state": "FAILED",
        "reason": error.code,
        "message": error.message,
        "hint": error.hint,
        "rounds": rounds,
        "spec_hash": spec.spec_hash(),
        "trajectory_hash": spec.trajectory_hash(),
    }

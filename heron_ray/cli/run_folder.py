"""The folder of `heron run --out DIR`: all that a run says and leaves, as a service keeps it of an experiment.

DIR/spec.yaml           the spec with every default filled in
DIR/events.jsonl        every event; after a resume those since the checkpoint stand there twice, equal
DIR/result.json         the keys of `heron run --json`, also of a run that failed
DIR/model.safetensors   the trained model
DIR/checkpoints/        the newest two
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
import yaml

from heron_ray.errors import CheckpointError, RecordError
from heron_ray.files import write_whole
from heron_ray.reports.local import EVENTS, RESULT, SPEC

if TYPE_CHECKING:
    from heron_ray.simulation import Checkpointer
    from heron_ray.spec import ExperimentSpec

MODEL = "model.safetensors"


class RunFolder:
    """One run's folder. A run that was interrupted goes on in it; what has ended is not run again."""

    def __init__(self, path: Path, spec: ExperimentSpec) -> None:
        """Nothing is written yet.

        Raises:
            UsageError: The folder holds another run, or one that has succeeded.
        """
        from heron_ray.simulation import Checkpointer

        self._path = path
        self._spec = spec
        self._is_open = False
        self._require_fit()
        self.checkpointer: Checkpointer = Checkpointer(path / "checkpoints")

    @property
    def resumes(self) -> bool:
        """Whether there is something to go on from."""
        return bool(self.checkpointer.paths())

    def open(self) -> TextIO:
        """Write the spec, and open the file of events to append to.

        Raises:
            CheckpointError: The folder cannot be written to.
        """
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            write_whole(self._path / SPEC, yaml.safe_dump(self._spec.canonical(), sort_keys=False, allow_unicode=True))
            (self._path / RESULT).unlink(missing_ok=True)
            self._is_open = True
            events = self._path / EVENTS
            _drop_torn_line(events)
            return events.open("a", encoding="utf-8")
        except OSError as error:
            raise CheckpointError(f"cannot write to {self._path}: {error}", hint="choose another folder with --out") from error

    def close(self, result: Mapping[str, Any]) -> None:
        """Write how the run ended, and the model of its last checkpoint, if it came to one.

        Nothing where the folder was never opened: it may be another run's.

        Raises:
            CheckpointError: The folder cannot be written to.
        """
        if not self._is_open:
            return
        try:
            write_whole(self._path / RESULT, json.dumps(result, indent=1) + "\n")
            self._write_model()
        except OSError as error:
            raise CheckpointError(f"cannot write to {self._path}: {error}", hint="free disk space") from error

    def _write_model(self) -> None:
        from heron_ray.simulation.export import export_model

        for path in self.checkpointer.paths():
            try:
                newest = self.checkpointer.load(path)
            except CheckpointError:
                # The run has told of it where it mattered; an earlier one may be whole.
                continue
            partial = self._path / f".{MODEL}.partial"
            export_model(self._spec, newest, partial)
            partial.replace(self._path / MODEL)
            return

    def _require_fit(self) -> None:
        from heron_ray.reports.local import read_record
        from heron_ray.spec import parse_spec, read_spec_file

        if not (self._path / SPEC).exists():
            if self._path.is_dir() and any(self._path.iterdir()):
                raise click.UsageError(f"{self._path} is no folder of a run, and not empty: choose another with --out")
            return
        if parse_spec(read_spec_file(self._path / SPEC)).trajectory_hash() != self._spec.trajectory_hash():
            raise click.UsageError(f"{self._path} holds a run of another spec: choose another folder with --out")
        try:
            ended = read_record(self._path).state
        except RecordError:
            return
        if ended == "SUCCEEDED":
            raise click.UsageError(f"{self._path} holds this run, and it has succeeded: choose another folder with --out")


def _drop_torn_line(file: Path) -> None:
    """A run that was killed may have left half a line, which the next one must not be written behind."""
    if file.exists():
        content = file.read_bytes()
        if not content.endswith(b"\n"):
            write_whole(file, content[: content.rfind(b"\n") + 1])

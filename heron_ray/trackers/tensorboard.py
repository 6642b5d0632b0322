"""TensorBoard: event files in a folder per run.

    tensorboard --logdir DIR

Every series is a scalar under its own name, with the round as its step; TensorBoard stores 32-bit floats. The spec is a text
and, for the HPARAMS page, a set of hyperparameters.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from heron_ray.errors import SinkError
from heron_ray.trackers.tracker import Run, finite, flat, require

EXTRA = "tensorboard"
# Ends the names of the files that are ours.
SUFFIX = ".heron-ray"


class TensorBoard:
    """Writes one run below a folder."""

    def __init__(self, directory: Path, run: Run) -> None:
        """Nothing is written yet.

        Args:
            directory: What `tensorboard --logdir` gets; the run has a folder of its own in it.
            run: What to call it.

        Raises:
            MissingToolError: The package is not installed.
        """
        self._events = require("tensorboard.compat.proto.event_pb2", EXTRA)
        self._summaries = require("tensorboard.compat.proto.summary_pb2", EXTRA)
        self._files = require("tensorboard.summary.writer.event_file_writer", EXTRA)
        self.folder = directory / re.sub(r"[^\w.-]+", "_", f"{run.name}-{run.key[:12]}")
        self._run = run
        self._writer: Any = None
        self._known = 0

    def begin(self, *, anew: bool) -> None:
        """Open a new file beside those of earlier tries, or in their place."""
        ours = sorted(self.folder.glob(f"*{SUFFIX}"))
        try:
            if anew:
                for file in ours:
                    file.unlink()
            self._known = 0 if anew else self._newest_step(ours)
            self._writer = self._files.EventFileWriter(str(self.folder), filename_suffix=SUFFIX)
        except OSError as error:
            raise SinkError(f"cannot write to {self.folder}: {error}", hint="choose another folder") from error
        if self._run.spec and self._known == 0:
            self._describe()

    def add(self, round: int, metrics: Mapping[str, float | None]) -> None:
        """All values of a round are one record, so a kill leaves all of them or none."""
        if round <= self._known:
            return
        values = [self._summaries.Summary.Value(tag=name, simple_value=value) for name, value in finite(metrics).items()]
        self._write(self._summaries.Summary(value=values), step=round)
        self._known = round

    def end(self, state: str, result: Mapping[str, Any]) -> None:
        """Close the file."""
        self._writer.close()

    def _write(self, summary: Any, *, step: int) -> None:
        self._writer.add_event(self._events.Event(wall_time=time.time(), step=step, summary=summary))
        try:
            self._writer.flush()
        except OSError as error:
            raise SinkError(f"cannot write to {self.folder}: {error}", hint="free disk space, then resume the run") from error

    def _describe(self) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.plugins.text.metadata import create_summary_metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        text = yaml.safe_dump(dict(self._run.spec), sort_keys=False, allow_unicode=True)
        indented = "".join(f"    {line}\n" for line in text.splitlines())
        spec = self._summaries.Summary.Value(
            tag="spec", metadata=create_summary_metadata("", ""), tensor=make_tensor_proto([indented.encode()])
        )
        self._write(self._summaries.Summary(value=[spec]), step=0)
        self._write(hparams_pb(flat(self._run.spec), trial_id=self._run.key), step=0)

    def _newest_step(self, files: list[Path]) -> int:
        loader = require("tensorboard.backend.event_processing.event_file_loader", EXTRA)
        steps = (
            event.step for file in files for event in loader.LegacyEventFileLoader(str(file)).Load() if event.summary.value
        )
        return max(steps, default=0)

"""`JournaledCheckpointer`: checkpoints that take the events with them that are not yet stored.

A run that continues from a checkpoint emits only what comes after it. If the driver dies with events in its outbox that
lie before the checkpoint, they would be lost; so they are written beside it, and the next attempt sends them first.

Imports the engine: only the driver's process imports this module, and late.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from api.dispatcher.outbox import Outbox
from heron_ray.errors import CheckpointError, StaleAttemptError
from heron_ray.simulation import Checkpointer
from heron_ray.simulation.checkpoint import Checkpoint


class JournaledCheckpointer(Checkpointer):
    """Keeps the outbox's contents in `DIR/outbox.json`, as they were at the newest checkpoint or a little later."""

    def __init__(self, directory: Path, outbox: Outbox) -> None:
        """Fill `outbox` with what an earlier attempt had in its own."""
        super().__init__(directory)
        self._file = directory / "outbox.json"
        self._outbox = outbox
        try:
            events = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            events = []
        except (OSError, ValueError):
            # Without it points might be missing. The whole run again brings the same bits and every point.
            for left in directory.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            events = []
        outbox.put(events)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write the journal, then the checkpoint that relies on it.

        Raises:
            StaleAttemptError: The folder is gone: a later attempt has taken it over.
            CheckpointError: The disk does not take it.
        """
        if not self._file.parent.is_dir():
            raise StaleAttemptError(f"a later attempt has taken over the checkpoints that were in {self._file.parent}")
        try:
            self._write_journal()
        except OSError as error:
            raise CheckpointError(f"cannot write {self._file}: {error}", hint="free disk space") from error
        super().save(checkpoint)

    def _write_journal(self) -> None:
        partial = self._file.with_name(f".outbox-{os.getpid()}.json")
        with partial.open("w", encoding="utf-8") as stream:
            json.dump(self._outbox.contents(), stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self._file)

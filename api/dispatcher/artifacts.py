"""What a driver leaves behind at the end of a run: model, spec, result, and the checkpoint to fork it from.

Each file is written under a temporary name, flushed and renamed. Imports the engine: only the driver's process imports this
module, and late.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from api.dispatcher.order import Order
from api.domain.artifacts import (
    CHECKPOINT_MANIFEST,
    CHECKPOINT_STATE,
    MODEL,
    RESULT,
    SPEC,
    ArtifactFile,
    ArtifactKind,
)
from heron_ray.errors import CheckpointError
from heron_ray.simulation import Checkpointer
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.export import export_model
from heron_ray.spec import parse_spec


def leave_artifacts(order: Order, result: dict[str, Any] | None) -> tuple[ArtifactFile, ...]:
    """Write the files of a run that has ended; none of one that has neither a result nor a checkpoint.

    Args:
        order: What was run.
        result: What it measured, if it came to that.

    Raises:
        OSError: The disk does not take them.
    """
    newest = _newest_verified(order.checkpoints)
    if newest is None and result is None:
        return ()
    return tuple(_files(order, result, newest))


def _files(order: Order, result: dict[str, Any] | None, newest: tuple[Path, Checkpoint] | None) -> Iterator[ArtifactFile]:
    def leave(name: str, kind: ArtifactKind, round: int | None, write: Callable[[Path], None]) -> ArtifactFile:
        return _leave(order.folder, name, kind, round, write)

    text = yaml.safe_dump(order.spec, sort_keys=False, allow_unicode=True)
    yield leave(SPEC, ArtifactKind.SPEC, None, partial(_write_text, text))
    if result is not None:
        yield leave(RESULT, ArtifactKind.RESULT, result["rounds"], partial(_write_text, json.dumps(result, indent=1) + "\n"))
    if newest is not None:
        kept, checkpoint = newest
        yield leave(MODEL, ArtifactKind.MODEL, checkpoint.round, partial(export_model, parse_spec(order.spec), checkpoint))
        for name in (CHECKPOINT_STATE, CHECKPOINT_MANIFEST):
            yield leave(name, ArtifactKind.CHECKPOINT, checkpoint.round, partial(_copy, kept / Path(name).name))


def _newest_verified(checkpoints: Path) -> tuple[Path, Checkpoint] | None:
    checkpointer = Checkpointer(checkpoints)
    for path in checkpointer.paths():
        try:
            return path, checkpointer.load(path)
        except CheckpointError:
            # The run has told of it where it mattered; an earlier one may be whole.
            continue
    return None


def _leave(folder: Path, name: str, kind: ArtifactKind, round: int | None, write: Callable[[Path], None]) -> ArtifactFile:
    final = folder / name
    final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = final.with_name(f".partial-{os.getpid()}")
    write(unfinished)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    unfinished.replace(final)
    return ArtifactFile(name=name, kind=kind, size_bytes=size, sha256=digest, round=round)


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _copy(source: Path, path: Path) -> None:
    """A second name for the same file where the disk can do that: checkpoints are never written to again, only removed."""
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, path)

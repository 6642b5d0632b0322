"""Checkpoints: safetensors for vectors, JSON for the rest; written whole or not at all, verified before use.

    DIR/round-00000050/state.safetensors     all vectors, by role and name
    DIR/round-00000050/manifest.json         round, hashes, digests, totals, provenance

A checkpoint is written under a temporary name, flushed to disk and renamed; the newest two are kept. Never pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from heron_ray.errors import CheckpointError
from heron_ray.files import hold_lock
from heron_ray.vectors import Float32Array

FORMAT = 1
KEPT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state after a round.

    Attributes:
        round: The last finished round.
        trajectory_hash: Of the spec this state belongs to.
        vectors: Role and name ("federation/client", "server/back", ...) to flat vector.
        progress: What the loop itself keeps: plain JSON values.
    """

    round: int
    trajectory_hash: str
    vectors: Mapping[str, Float32Array]
    progress: Mapping[str, Any]


def provenance() -> dict[str, str]:
    """What, beside the spec, a trajectory's bits depend on."""
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


class Checkpointer:
    """Keeps the checkpoints of one experiment in one directory."""

    def __init__(self, directory: Path | str) -> None:
        """Use `directory`; it is created at the first save."""
        self._directory = Path(directory)

    def paths(self) -> list[Path]:
        """The checkpoints there are, newest first, verified or not."""
        return sorted(self._directory.glob("round-????????"), reverse=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other runs out of the directory for as long as this one lasts; a lock that dies with the process.

        Raises:
            CheckpointError: Another run uses the directory, or it cannot be written to.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock = hold_lock(self._directory / ".lock")
        except BlockingIOError:
            message = f"another run is writing its checkpoints to {self._directory}"
            raise CheckpointError(message, hint="wait for it to end, or choose another directory") from None
        except OSError as error:
            raise CheckpointError(f"cannot write to {self._directory}: {error}", hint="choose another directory") from error
        with lock:
            yield

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint. Raises CheckpointError if the disk does not take it; older ones are then untouched."""
        final = self._directory / f"round-{checkpoint.round:08d}"
        partial = self._directory / f".partial-{os.getpid()}"
        try:
            for left in self._directory.glob(".partial-*"):
                shutil.rmtree(left, ignore_errors=True)
            partial.mkdir(parents=True)
            state = save({name: np.ascontiguousarray(vector) for name, vector in checkpoint.vectors.items()})
            manifest = {
                "format": FORMAT,
                "round": checkpoint.round,
                "trajectory_hash": checkpoint.trajectory_hash,
                "state_sha256": hashlib.sha256(state).hexdigest(),
                "progress": dict(checkpoint.progress),
                "provenance": provenance(),
            }
            body = json.dumps(manifest, indent=1, sort_keys=True)
            _write(partial / "state.safetensors", state)
            _write(partial / "manifest.json", json.dumps({"manifest": manifest, "sha256": _sha(body)}, indent=1).encode())
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
            _flush_directory(self._directory)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise CheckpointError(
                f"cannot write checkpoint {final}: {error}", hint="free disk space or choose another directory"
            ) from error
        for old in self.paths()[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def load(self, path: Path) -> Checkpoint:
        """Read and verify one checkpoint. Raises CheckpointError naming the file that is wrong."""
        manifest_path, state_path = path / "manifest.json", path / "state.safetensors"
        try:
            envelope = json.loads(manifest_path.read_text(encoding="utf-8"))
            state = state_path.read_bytes()
            manifest = envelope["manifest"]
            if envelope["sha256"] != _sha(json.dumps(manifest, indent=1, sort_keys=True)):
                raise _damaged(manifest_path, "its digest is wrong")
            if manifest["format"] != FORMAT:
                raise _damaged(manifest_path, f"format {manifest['format']} is not known to this heron-ray")
            if manifest["state_sha256"] != hashlib.sha256(state).hexdigest():
                raise _damaged(state_path, "its digest is wrong")
            vectors = load(state)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise _damaged(path, f"it cannot be read: {error}") from error
        return Checkpoint(
            round=manifest["round"],
            trajectory_hash=manifest["trajectory_hash"],
            vectors=vectors,
            progress=manifest["progress"],
        )


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _damaged(path: Path, message: str) -> CheckpointError:
    checkpoint = path if path.suffix == "" else path.parent
    return CheckpointError(f"checkpoint {path} is damaged: {message}", hint=f"remove {checkpoint} to use an earlier one")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

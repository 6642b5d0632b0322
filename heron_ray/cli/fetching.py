"""Fetching one file of an experiment: resumed where an earlier try broke off, verified, and only then given its name."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

import httpx

from heron_ray.client import Artifact, Client
from heron_ray.errors import ServiceError

PIECE_BYTES = 256 * 1024


def fetch(client: Client, id: str, artifact: Artifact, directory: Path) -> Path:
    """Download one file below `directory`; one that is already there whole is left alone.

    Args:
        client: The service.
        id: The experiment.
        artifact: As the service lists it.
        directory: Where its name begins; created where it is not there.

    Raises:
        ServiceError: What came is not what the service lists, or it cannot be written.
    """
    name = PurePosixPath(artifact.name)
    if name.is_absolute() or ".." in name.parts:
        raise ServiceError(f"the service lists a file that would lie outside {directory}: {name}")
    path = directory / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and _digest(path) == artifact.sha256:
            return path
        partial = path.with_name(f"{path.name}.part")
        _complete(client, id, artifact, partial)
        if _digest(partial) != artifact.sha256:
            partial.unlink()
            raise ServiceError(f"what came of {name} has another SHA-256 than the service lists", hint="download it again")
        partial.replace(path)
    except OSError as error:
        raise ServiceError(f"cannot write {path}: {error.strerror}", hint="choose another directory with -o") from None
    return path


def _complete(client: Client, id: str, artifact: Artifact, partial: Path) -> None:
    """Bring what is missing of a file."""
    have = partial.stat().st_size if partial.exists() else 0
    if have == artifact.size_bytes:
        return
    after = have if have < artifact.size_bytes else 0
    with client.artifact(id, artifact.name, after=after, etag=f'"{artifact.sha256}"') as response:
        is_rest = response.status_code == httpx.codes.PARTIAL_CONTENT
        with partial.open("ab" if is_rest else "wb") as file:
            for piece in response.iter_bytes(PIECE_BYTES):
                file.write(piece)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""`StateDirectory`: the folder that one service at a time owns."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heron_ray.errors import ConflictError, ServiceError
from heron_ray.files import hold_lock


class StateDirectory:
    """Lock, identity, checkpoints, artifacts, logs, and two files on the running service.

    `service.json` says how to reach it; `prometheus.json`, what Prometheus is to read, in the form of its file-based discovery.
    """

    def __init__(self, path: Path) -> None:
        """Use `path`; `lock` creates it."""
        self.path = path.absolute()
        self.checkpoints = self.path / "checkpoints"
        self.artifacts = self.path / "artifacts"
        self.logs = self.path / "logs"
        self._service_file = self.path / "service.json"
        self._targets_file = self.path / "prometheus.json"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Own the folder until the block, or this process, ends.

        Raises:
            ConflictError: Another service owns it.
            ServiceError: It cannot be created or written.
        """
        try:
            for folder in (self.path, self.checkpoints, self.artifacts, self.logs):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = hold_lock(self.path / "lock")
        except BlockingIOError:
            url = self.read_service().get("url", "an address of its own")
            raise ConflictError(
                f"a service already runs in {self.path}; it answers at {url}",
                hint="use that one, stop it, or choose another --state-dir",
            ) from None
        except OSError as error:
            raise ServiceError(
                f"the state directory {self.path} cannot be used: {error}", hint="choose another with --state-dir"
            ) from None
        with lock:
            yield

    def identity(self) -> str:
        """Names this service, the same over restarts: in leases, and as its Ray namespace."""
        file = self.path / "identity"
        if not file.exists():
            self._write(file, f"heron-{secrets.token_hex(6)}")
        return file.read_text(encoding="utf-8").strip()

    def read_service(self) -> dict[str, Any]:
        """What `service.json` says; empty where there is none."""
        try:
            value = json.loads(self._service_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def write_service(self, value: dict[str, Any]) -> None:
        """Replace `service.json` as a whole."""
        self._write(self._service_file, json.dumps(value, indent=1) + "\n")

    def write_targets(self, targets: Mapping[str, str]) -> None:
        """Replace `prometheus.json` as a whole: job to host and port."""
        groups = [{"targets": [target], "labels": {"job": job}} for job, target in targets.items()]
        self._write(self._targets_file, json.dumps(groups, indent=1) + "\n")

    def remove_service(self) -> None:
        """Nothing runs here any more."""
        self._service_file.unlink(missing_ok=True)
        self._targets_file.unlink(missing_ok=True)

    def _write(self, file: Path, text: str) -> None:
        partial = file.with_name(f".{file.name}.{os.getpid()}")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        partial.replace(file)

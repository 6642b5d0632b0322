"""Weights & Biases, offline: a folder that `wandb sync` sends to a server, whenever and wherever there is one.

    wandb sync DIR/wandb/offline-run-*

Every series is a metric under its own name with the round as its step; the spec is the run's configuration, the digests are
in its summary. Files of an offline run cannot be asked what they hold, so each telling takes the place of an earlier one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heron_ray.errors import SinkError
from heron_ray.trackers.tracker import Run, digests_in, finite, flat, require

EXTRA = "wandb"
PROJECT = "heron-ray"


class WeightsAndBiases:
    """Writes one whole run below a folder. For runs that are over: see above."""

    def __init__(self, directory: Path, run: Run) -> None:
        """Nothing is written yet.

        Args:
            directory: The run gets a folder of its own in its subfolder `wandb`.
            run: What to call it.

        Raises:
            MissingToolError: The package is not installed.
        """
        # The package would tell its makers of its errors.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self._package = require("wandb", EXTRA)
        self._directory = directory
        self._run = run
        self._id = hashlib.sha256(run.key.encode()).hexdigest()[:32]
        self._open: Any = None

    def begin(self, *, anew: bool) -> None:
        """Begin at the first round, in the place of what was told before."""
        settings = self._package.Settings(
            mode="offline",
            console="off",
            silent=True,
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
        )
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for earlier in (self._directory / "wandb").glob(f"offline-run-*-{self._id}"):
                shutil.rmtree(earlier)
            self._open = self._package.init(
                dir=str(self._directory),
                project=PROJECT,
                id=self._id,
                name=self._run.name,
                config=flat(self._run.spec),
                settings=settings,
                reinit="create_new",
            )
        except (OSError, self._package.Error) as error:
            raise SinkError(f"cannot write to {self._directory}: {error}", hint="choose another folder") from error

    def add(self, round: int, metrics: Mapping[str, float | None]) -> None:
        """The values of a round; those that are not finite are left out."""
        self._open.log(finite(metrics), step=round)

    def end(self, state: str, result: Mapping[str, Any]) -> None:
        """Close the run's file."""
        self._open.summary.update(digests_in(result))
        self._open.finish(exit_code=0 if state == "SUCCEEDED" else 1)

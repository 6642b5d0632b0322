"""MLflow: a run of the MLflow experiment `heron-ray` on a tracking server, in a database or in a folder.

Every series is a metric under its own name, with the round as its step. The spec's fields are parameters by dotted path;
hashes and the digest are tags. A round is one request, made before the next round begins, so that no kill leaves a gap.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from heron_ray.errors import MissingToolError, SinkError
from heron_ray.trackers.tracker import Run, digests_in, finite, flat, require

EXTRA = "mlflow"
EXPERIMENT = "heron-ray"
KEY = "heron_ray.key"
# The server's own limits.
MOST_PARAMETERS, LONGEST_PARAMETER = 100, 6000
_STATES = {"SUCCEEDED": "FINISHED", "CANCELLED": "KILLED", "FAILED": "FAILED"}

_T = TypeVar("_T")


class MLflow:
    """Tells a tracking server of one run."""

    def __init__(self, uri: str, run: Run) -> None:
        """Nothing is asked yet.

        Args:
            uri: As MLflow reads it: `http://...`; with the whole of MLflow installed also `sqlite:///file.db`; or a folder,
                where MLFLOW_ALLOW_FILE_STORE=true allows it.
            run: What to call it.

        Raises:
            MissingToolError: The package is not installed.
        """
        # The package would tell its makers of its use.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._entities = require("mlflow.entities", EXTRA)
        self._errors = require("mlflow.exceptions", EXTRA)
        self._client = require("mlflow.tracking", EXTRA).MlflowClient(tracking_uri=uri)
        self._uri = uri
        self._run = run
        self._id = ""
        self._known: dict[str, int] = {}

    def begin(self, *, anew: bool) -> None:
        """Go on with the newest run of that key, or make one."""
        self._try(lambda: self._begin(anew))

    def add(self, round: int, metrics: Mapping[str, float | None]) -> None:
        """One request."""
        now = int(1000 * time.time())
        points = [
            self._entities.Metric(key=name, value=value, timestamp=now, step=round)
            for name, value in finite(metrics).items()
            if round > self._known.get(name, 0)
        ]
        if points:
            self._try(lambda: self._client.log_batch(self._id, metrics=points))

    def end(self, state: str, result: Mapping[str, Any]) -> None:
        """Close the run."""
        tags = [self._entities.RunTag(name, digest) for name, digest in digests_in(result).items()]

        def end() -> None:
            self._client.log_batch(self._id, tags=tags)
            if state in _STATES:
                self._client.set_terminated(self._id, status=_STATES[state])

        self._try(end)

    def _begin(self, anew: bool) -> None:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found is not None else self._client.create_experiment(EXPERIMENT)
        runs = [] if anew else self._client.search_runs([experiment], f"tags.`{KEY}` = '{self._run.key}'", max_results=1)
        if runs:
            self._id = runs[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
            self._known = {name: self._newest_step(name) for name in runs[0].data.metrics}
            return
        made = self._client.create_run(experiment, run_name=self._run.name, tags={KEY: self._run.key})
        self._id = made.info.run_id
        parameters = [
            self._entities.Param(name, str(value)[:LONGEST_PARAMETER]) for name, value in flat(self._run.spec).items()
        ]
        for start in range(0, len(parameters), MOST_PARAMETERS):
            self._client.log_batch(self._id, params=parameters[start : start + MOST_PARAMETERS])

    def _newest_step(self, name: str) -> int:
        return max((point.step for point in self._client.get_metric_history(self._id, name)), default=0)

    def _try(self, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except (self._errors.MlflowException, OSError) as error:
            # MLflow's own message names the address, which may hold a password.
            told = re.sub(r"//[^/@\s]*@", "//***@", f"MLflow at {self._uri} did not take what it was told: {error}")
            raise SinkError(told, hint="when it answers again, resume the run or export it") from None
        except ImportError as error:
            message = f"MLflow at {self._uri} cannot be opened with mlflow-skinny alone: {error}"
            raise MissingToolError(message, hint="run an MLflow server and give its address, or: pip install mlflow") from None

"""Which executor a spec asks for."""

from __future__ import annotations

import ray

from heron_ray.actors.executor import RayExecutor
from heron_ray.simulation import Executor, LocalExecutor
from heron_ray.spec import ExperimentSpec


def executor_for(spec: ExperimentSpec) -> Executor:
    """The executor that `compute.executor` names; `auto` is ray where a Ray cluster is connected, else local."""
    kind = spec.compute.executor
    if kind == "ray" or (kind == "auto" and ray.is_initialized()):
        return RayExecutor()
    return LocalExecutor()

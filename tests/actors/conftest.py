"""One Ray, and warm actors in it, for all tests of this folder: starting either takes longer than most of them.

Tests that change the number of actors start new ones, so what needs no other number takes two.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import ray

from heron_ray.actors.executor import RayExecutor


@pytest.fixture(scope="package")
def cluster() -> Iterator[None]:
    """On two CPUs."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="package")
def executor(cluster: None) -> Iterator[RayExecutor]:
    """One executor whose warm actors serve run after run, more or fewer of them, as in a driver."""
    with RayExecutor() as executor:
        yield executor

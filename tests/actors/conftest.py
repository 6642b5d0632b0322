"""Warm actors for all tests of this folder: starting them takes longer than most of the tests.

Tests that change the number of actors start new ones, so what needs no other number takes two.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from heron_ray.actors.executor import RayExecutor


@pytest.fixture(scope="session")
def executor(ray_cluster: None) -> Iterator[RayExecutor]:
    """One executor whose warm actors serve run after run, more or fewer of them, as in a driver."""
    with RayExecutor() as executor:
        yield executor

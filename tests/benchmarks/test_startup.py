"""The start-up benchmark: what it takes of a process and of a service."""

import subprocess
from collections.abc import Iterator
from typing import Any, cast

import pytest

from benchmarks.startup import SPEC, run_python, seconds_to_first_point
from heron_ray.cli.client import ServiceClient
from heron_ray.cli.event_stream import ServiceEvent
from heron_ray.spec import load_spec


class Service:
    """Stands for a client of a service whose experiments have these events."""

    def __init__(self, *kinds: str) -> None:
        self._kinds = kinds
        self.calls: list[str] = []

    def submit(self, spec: dict[str, Any]) -> dict[str, Any]:
        self.calls.append("submit")
        return {"id": "one"}

    def follow(self, id: str) -> Iterator[ServiceEvent]:
        for number, kind in enumerate(self._kinds, start=1):
            self.calls.append(kind)
            yield ServiceEvent(id=number, kind=kind, data={})

    def cancel(self, id: str) -> dict[str, Any]:
        self.calls.append("cancel")
        return {}

    def get(self, id: str) -> dict[str, Any]:
        return {"message": "diverged in round 1"}


def measure(service: Service) -> float:
    return seconds_to_first_point(cast(ServiceClient, service), load_spec(SPEC, [])[0])


def test_an_experiment_is_cancelled_at_its_first_point_and_followed_to_its_end() -> None:
    service = Service("started", "round_finished", "round_finished", "finished")
    assert measure(service) > 0
    assert service.calls == ["submit", "started", "round_finished", "cancel", "round_finished", "finished"]


def test_an_experiment_without_a_point_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="one ended without a point: diverged in round 1"):
        measure(Service("started"))


def test_a_process_is_charged_for_its_own_work_and_not_for_its_sleep() -> None:
    busy = run_python(["-c", "import time\nwhile time.process_time() < 0.3: pass\nprint('done')"])
    asleep = run_python(["-c", "import time\ntime.sleep(0.3)"])
    assert busy.output == "done\n"
    assert busy.processor >= 0.29
    assert asleep.wall >= 0.3
    assert asleep.processor < busy.processor


def test_a_process_that_fails_is_not_measured() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run_python(["-c", "raise SystemExit(3)"])

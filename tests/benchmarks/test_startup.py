"""The start-up benchmark: what it takes of a process and of a service."""

import subprocess
from collections.abc import Iterator
from typing import cast

import pytest

from benchmarks.startup import SPEC, run_python, seconds_to_first_point
from heron_ray.client import Client, Event, Experiment, Submitted
from heron_ray.spec import ExperimentSpec, load_spec


class Service:
    """Stands for a client of a service whose experiments have these events."""

    def __init__(self, *kinds: str) -> None:
        self._kinds = kinds
        self.calls: list[str] = []

    def submit(self, spec: ExperimentSpec) -> Submitted:
        self.calls.append("submit")
        return Submitted(id="one", state="QUEUED", spec_hash=spec.spec_hash())

    def follow(self, id: str) -> Iterator[Event]:
        for number, kind in enumerate(self._kinds, start=1):
            self.calls.append(kind)
            yield Event(id=number, kind=kind, data={})

    def cancel(self, id: str) -> None:
        self.calls.append("cancel")

    def get(self, id: str) -> Experiment:
        return Experiment.model_construct(message="diverged in round 1")


def measure(service: Service) -> float:
    return seconds_to_first_point(cast(Client, service), load_spec(SPEC, [])[0])


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

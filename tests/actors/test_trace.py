"""A traced run on Ray: every process is recorded."""

import pytest

from heron_ray.actors.executor import RayExecutor
from heron_ray.cli.trace_report import Tracing
from heron_ray.simulation import LocalExecutor, Simulation
from tests.conftest import MakeSpec


def test_processes_of_actors_are_recorded_on_one_clock(make_spec: MakeSpec, executor: RayExecutor) -> None:
    spec = make_spec("rounds=3", "compute.actors=2")
    with Tracing(spec, executor) as tracing:
        traced = Simulation(spec, executor, sink=tracing).run()
        report = tracing.report()
    with LocalExecutor() as local:
        assert traced.trajectory_digest == Simulation(spec, local).run().trajectory_digest
    assert [process.role for process in report.processes] == ["driver", "client", "client", "main_server", "federation_server"]
    seconds = report.seconds()
    assert sum(seconds.values()) == pytest.approx(5 * report.total_seconds)
    assert all(spent > 0 for spent in seconds.values())
    roles = ("driver", "client", "main_server", "federation_server")
    assert set(seconds) >= {f"{role}_{part}" for role in roles for part in ("waiting", "serialization")}
    assert set(seconds) >= {"client_probes", "client_axpy", "main_server_backward", "aggregation", "driver_sending"}
    driver, *actors = report.processes
    slack = 5e8  # half a second: a clock of another process that began elsewhere would be off by more
    rounds = [(driver.clock_ns + at, duration) for part, at, duration in driver.events if part == ("driver", "other")]
    for process in actors:
        for part, at, duration in process.events:
            if part[1] != "serialization":
                start = process.clock_ns + at
                assert any(round - slack < start and start + duration < round + lasts + slack for round, lasts in rounds), part

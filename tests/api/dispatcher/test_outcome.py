"""Whose fault the end of a run is, and what is told of memory that ran out."""

import pytest
from ray.exceptions import OutOfMemoryError

from api.dispatcher.memory import kernel_kills
from api.dispatcher.outcome import Outcome
from api.domain.states import State
from heron_ray.actors.executor import RayExecutor
from heron_ray.errors import ExhaustedMemoryError

RAYS_WORDS = (
    "Task was killed due to the node running low on memory.\nMemory on the node (IP: 10.0.0.1, ID: ab) where the task was "
    "running was 15.21GB / 16.00GB (0.950), which exceeds the memory usage threshold of 0.95. Ray killed this worker ..."
)


def test_a_process_that_ray_ended_for_memory_fails_the_run_with_what_was_in_use():
    outcome = Outcome.of_error(OutOfMemoryError(RAYS_WORDS))
    assert (outcome.state, outcome.reason) == (State.FAILED, "out_of_memory")
    assert "15.21GB of 16.00GB" in outcome.message
    assert "lower clients.batch_size" in outcome.message
    assert "\n" not in outcome.message


def test_an_actor_that_ray_ended_for_memory_is_told_from_one_that_died(monkeypatch):
    def killed(_reference):
        raise OutOfMemoryError(RAYS_WORDS)

    monkeypatch.setattr("ray.get", killed)
    with pytest.raises(ExhaustedMemoryError) as told:
        RayExecutor().get(object())
    assert Outcome.of_error(told.value).reason == "out_of_memory"


def test_a_driver_that_ran_out_of_memory_serves_no_other_run():
    assert not Outcome.of_error(MemoryError()).clean


def test_the_kernels_count_is_the_containers_where_it_has_one(tmp_path):
    own, hosts = tmp_path / "memory.events", tmp_path / "vmstat"
    hosts.write_text("nr_free_pages 5\noom_kill 7\n")
    assert kernel_kills((own, hosts)) == 7
    own.write_text("low 0\noom 3\noom_kill 2\noom_group_kill 9\n")
    assert kernel_kills((own, hosts)) == 2


def test_a_machine_that_does_not_count_has_none(tmp_path):
    assert kernel_kills((tmp_path / "nothing",)) == 0

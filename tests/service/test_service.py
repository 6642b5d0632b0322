"""The service's promise: whatever dies, an experiment ends as it would have, and nothing is lost or doubled."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

MIDDLE = 60


def require_complete(service, id, undisturbed):
    """The experiment ended as if nothing had happened: same bits, every point and event once. Returns its page."""
    page = service.wait_for_end(id)
    assert page["state"] == "SUCCEEDED", page
    assert page["result"]["trajectory_digest"] == undisturbed.result.trajectory_digest
    assert service.get(id, "/series")["series"] == undisturbed.series
    events = service.events(id)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    rounds = [event["data"]["round"] for event in events if event["kind"] == "round_finished"]
    assert rounds == list(range(1, undisturbed.result.rounds + 1))
    assert sum(event["kind"] == "finished" for event in events) == 1
    assert events[-1]["data"]["state"] == "SUCCEEDED"
    return page


def test_an_experiment_run_on_ray_actors_has_the_bits_of_a_local_run(service, undisturbed, small_spec):
    id = service.submit(small_spec(executor="ray"))
    require_complete(service, id, undisturbed)


@pytest.mark.parametrize("part", ["api", "dispatcher"])
def test_a_killed_part_comes_back_and_the_attempt_goes_on(service, undisturbed, part, small_spec, until):
    id = service.submit(small_spec())
    service.wait_for_round(id, MIDDLE)
    victim = service.about()["pids"][part]
    psutil.Process(victim).kill()
    page = require_complete(service, id, undisturbed)
    assert len(page["attempts"]) == 1
    until(lambda: service.about()["pids"][part] not in (None, victim), f"another {part}")


def test_a_killed_driver_is_replaced_and_resumes_from_a_checkpoint(service, undisturbed, small_spec):
    id = service.submit(small_spec(executor="ray"))
    service.wait_for_round(id, MIDDLE)
    psutil.Process(service.get(id)["attempts"][-1]["driver_pid"]).kill()
    page = require_complete(service, id, undisturbed)
    assert [attempt["exit_reason"] for attempt in page["attempts"]] == ["driver_lost", "succeeded"]
    starts = [event["data"]["after_round"] for event in service.events(id) if event["kind"] == "started"]
    assert starts[0] == 0
    assert starts[1] >= MIDDLE - 25


def test_a_driver_that_dies_while_it_is_idle_is_missed_before_the_next_experiment(service, small_spec, until):
    """Also where it would have to estimate what that experiment needs."""
    first = service.submit(small_spec())
    driver = service.wait_for_end(first)["attempts"][-1]["driver_pid"]
    psutil.Process(driver).kill()
    until(lambda: not psutil.pid_exists(driver), "the driver is gone")
    unseen = small_spec()
    unseen["model"]["front"] = [*unseen["model"]["front"][:-1], 11]
    page = service.wait_for_end(service.submit(unseen))
    assert page["state"] == "SUCCEEDED"
    assert page["attempts"][-1]["driver_pid"] != driver


@pytest.mark.soak  # a killed driver is much the same here, and tests/actors kill an actor under the executor
def test_a_killed_client_actor_interrupts_the_attempt_and_not_the_experiment(service, undisturbed, small_spec):
    id = service.submit(small_spec(executor="ray"))
    service.wait_for_round(id, MIDDLE)
    driver = psutil.Process(service.get(id)["attempts"][-1]["driver_pid"])
    actors = [process for process in service.processes() if process.name().startswith("ray::ClientActor")]
    assert actors
    for actor in actors:
        actor.kill()
    page = require_complete(service, id, undisturbed)
    assert page["attempts"][0]["exit_reason"] == "actor_lost"
    assert driver.pid != page["attempts"][-1]["driver_pid"]


def test_no_process_of_a_service_on_loopback_can_be_reached_from_elsewhere(service, small_spec):
    id = service.submit(small_spec(executor="ray"))
    service.wait_for_round(id, 5)
    listening = [
        connection.laddr.ip.removeprefix("::ffff:")
        for process in service.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 10
    assert set(listening) <= {"127.0.0.1", "::1"}
    service.cancel(id)
    service.wait_for_end(id)


def test_the_cluster_is_told_with_what_runs_on_it(service, small_spec, until):
    id = service.submit(small_spec())
    service.wait_for_round(id, 1)

    def dispatcher():
        found = httpx.get(f"{service.url}/v1/cluster", timeout=30).raise_for_status().json()["dispatchers"]
        return found[0] if found else None

    found = until(dispatcher, "the dispatcher reports")
    (node,) = found["nodes"]
    assert (node["is_alive"], node["is_head"], found["is_silent"]) == (True, True, False)
    assert node["has"] == found["has"]
    assert node["has"]["cpus"] >= 1
    assert node["has"]["memory_bytes"] > 0
    assert [(one["id"], one["node"]) for one in found["running"]] == [(id, node["id"])]
    assert len(found["running"]) <= found["slots"]
    assert found["admitted"]["memory_bytes"] > 0
    service.cancel(id)
    service.wait_for_end(id)


def test_a_running_experiment_can_be_cancelled(service, small_spec):
    id = service.submit(small_spec())
    service.wait_for_round(id, 5)
    service.cancel(id)
    page = service.wait_for_end(id)
    assert page["state"] == "CANCELLED"
    assert 5 <= page["progress"]["round"] < page["progress"]["rounds"]


def test_an_experiment_that_diverges_fails_with_the_round_and_the_way_out(service, small_spec):
    id = service.submit(small_spec(client_lr=1000))
    page = service.wait_for_end(id)
    assert (page["state"], page["reason"]) == ("FAILED", "diverged")
    assert "round" in page["message"]
    assert "lower method.client_optimizer.lr" in page["message"]


def test_checkpoints_are_removed_once_nothing_can_continue_from_them(service, small_spec, until):
    id = service.submit(small_spec())
    checkpoints = service.directory.checkpoints / id
    until(lambda: any(checkpoints.glob("attempt-0001/round-*")), "a checkpoint")
    service.wait_for_end(id)
    until(lambda: not checkpoints.exists(), "no checkpoint")


def test_a_second_service_on_the_same_state_directory_is_refused(service, serve):
    refused = serve("--port", "0", "--state-dir", str(service.directory.path))
    assert refused.returncode == 4
    assert service.url in refused.stderr
    assert "--state-dir" in refused.stderr


def test_a_port_in_use_is_refused_and_nothing_is_started(service, state_dir, serve):
    port = service.url.rpartition(":")[2]
    refused = serve("--port", port, "--state-dir", str(state_dir))
    assert refused.returncode == 2
    assert f"port {port}" in refused.stderr
    assert not (state_dir / "service.json").exists()
    assert not (state_dir / "heron.db").exists()


def test_a_database_from_a_newer_version_is_refused_and_nothing_is_started(state_dir, serve):
    state_dir.mkdir()
    with closing(sqlite3.connect(state_dir / "heron.db")) as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('v9999')")
        database.commit()
    refused = serve("--port", "0", "--state-dir", str(state_dir))
    assert refused.returncode == 1
    assert "v9999" in refused.stderr
    assert "upgrade heron-ray" in refused.stderr
    assert not (state_dir / "service.json").exists()


def test_a_service_that_is_killed_leaves_nothing_running_and_continues_when_started_again(
    own_service, undisturbed, small_spec, until
):
    own_service.start()
    id = own_service.submit(small_spec())
    own_service.wait_for_round(id, MIDDLE)
    own_service.process.kill()
    own_service.process.wait()
    until(lambda: not own_service.processes(), "the guardian ends the rest")

    own_service.start()
    page = require_complete(own_service, id, undisturbed)
    assert page["attempts"][0]["exit_reason"] == "driver_lost"

    ray_directory = Path(own_service.about()["ray_directory"])
    assert own_service.stop() == 0
    assert not own_service.processes()
    assert not ray_directory.exists()
    assert own_service.about() == {}

"""What a driver leaves behind: the real driver, in this process, over the local executor."""

from __future__ import annotations

import hashlib
import json
import time

import pytest
from safetensors import safe_open

from api.dispatcher.checkpoint_folder import take_over
from api.dispatcher.driver import ExperimentDriver
from api.dispatcher.order import Order
from api.domain.artifacts import CHECKPOINT_MANIFEST, CHECKPOINT_STATE, LOG, MODEL, RESULT, SPEC
from api.domain.states import State
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec import parse_spec, read_spec_file

PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def driver():
    return ExperimentDriver()


@pytest.fixture
def order(make_spec, tmp_path):
    """An order for an attempt at the example, with other rounds or fields."""

    def give(name="one", *, number=1, parent=None, **fields):
        spec = make_spec(compute={"executor": "local", "checkpoint_every": 2}, **{"rounds": 5, **fields})
        return Order(
            spec=spec.canonical(),
            number=number,
            checkpoints=take_over(tmp_path / "checkpoints" / name, attempt=number),
            folder=tmp_path / "artifacts" / name / f"attempt-{number}",
            parent=parent,
        )

    return give


def drive(driver, order, *, stop_after=None):
    """The outcome of an attempt."""
    driver.start(1, order)
    after, deadline = 0, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        batch = driver.events(1, after=after, limit=100, wait_s=0.05)
        after = batch["last"]
        if stop_after is not None and any(event.get("round") == stop_after for event in batch["events"]):
            driver.stop(1)
        if batch["outcome"] is not None:
            driver.release(1)
            return batch["outcome"]
    pytest.fail("the run did not end")


def digest_of(spec):
    with LocalExecutor() as executor:
        return Simulation(parse_spec(spec), executor).run().trajectory_digest


def test_a_run_leaves_model_spec_result_and_checkpoint_as_it_says(driver, order):
    asked = order()
    outcome = drive(driver, asked)
    assert outcome.state is State.SUCCEEDED
    assert [file.name for file in outcome.artifacts] == [SPEC, RESULT, MODEL, CHECKPOINT_STATE, CHECKPOINT_MANIFEST]
    for file in outcome.artifacts:
        content = (asked.folder / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size_bytes, file.sha256)
    assert {file.round for file in outcome.artifacts} == {None, 5}
    assert parse_spec(read_spec_file(asked.folder / SPEC)).canonical() == asked.spec
    assert json.loads((asked.folder / RESULT).read_text()) == outcome.result
    with safe_open(asked.folder / MODEL, "np") as model:
        assert model.metadata()["trajectory_digest"] == outcome.result["trajectory_digest"]
    assert sorted(path.name for path in asked.folder.iterdir()) == ["checkpoint", LOG, MODEL, RESULT, SPEC]
    assert "SUCCEEDED" in (asked.folder / LOG).read_text()


def test_a_run_that_diverges_leaves_its_last_checkpoint_and_says_why_in_the_log(driver, order, make_spec):
    method = make_spec().canonical()["method"] | {"client_optimizer": {"kind": "sgd", "lr": 300.0}}
    asked = order("bad", method=method, rounds=200)
    outcome = drive(driver, asked)
    assert (outcome.state, outcome.reason) == (State.FAILED, "diverged")
    log = (asked.folder / LOG).read_text()
    assert "Traceback" in log
    assert "DivergedError" in log
    names = [file.name for file in outcome.artifacts]
    assert names in ([], [SPEC, MODEL, CHECKPOINT_STATE, CHECKPOINT_MANIFEST])
    assert bool(names) == any(asked.checkpoints.glob("round-*"))


def test_a_run_that_fails_before_its_first_checkpoint_leaves_its_log_alone(driver, order):
    asked = order("no-data", data={"kind": "mnist", "path": "nowhere"})
    outcome = drive(driver, asked)
    assert (outcome.state, outcome.artifacts) == (State.FAILED, ())
    assert [path.name for path in asked.folder.iterdir()] == [LOG]


def test_an_extended_experiment_has_the_digest_of_the_longer_run(driver, order):
    parent = order("parent")
    drive(driver, parent)
    fork = order("fork", parent=(parent.folder.parent, 5), rounds=12)
    outcome = drive(driver, fork)
    assert outcome.result["trajectory_digest"] == digest_of(fork.spec)
    assert "starts after round 5 of 12" in (fork.folder / LOG).read_text()


def test_a_run_that_was_stopped_is_continued_by_a_fork(driver, order):
    parent = order("stopped", rounds=400)
    stopped = drive(driver, parent, stop_after=3)
    assert stopped.state is State.CANCELLED
    round = stopped.result["rounds"]
    rounds = round + 2
    fork = order("continued", parent=(parent.folder.parent, round), rounds=rounds)
    assert drive(driver, fork).result["trajectory_digest"] == digest_of(fork.spec)


def test_a_fork_whose_parents_checkpoint_is_damaged_or_gone_fails_with_that_reason(driver, order, tmp_path):
    parent = order("harmed")
    drive(driver, parent)
    state = parent.folder / CHECKPOINT_STATE
    state.write_bytes(state.read_bytes()[:-1] + b"\0")
    outcome = drive(driver, order("fork-2", parent=(parent.folder.parent, 5), rounds=9))
    assert (outcome.state, outcome.reason) == (State.FAILED, "invalid_checkpoint")
    outcome = drive(driver, order("fork-3", parent=(tmp_path / "artifacts" / "nobody", 5), rounds=9))
    assert (outcome.state, outcome.reason) == (State.FAILED, "invalid_checkpoint")
    assert "nobody" in outcome.message

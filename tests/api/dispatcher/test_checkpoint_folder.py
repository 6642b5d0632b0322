"""Checkpoints change hands in one step: who was believed dead cannot harm whoever came after."""

import errno
import os

import pytest

from api.dispatcher.checkpoint_folder import take_over
from api.dispatcher.journal import JournaledCheckpointer
from api.dispatcher.outbox import Outbox
from api.dispatcher.outcome import Outcome
from api.domain.states import State
from heron_ray.errors import CheckpointError, StaleAttemptError
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.events import CheckpointSaved


def checkpoint(round):
    return Checkpoint(round=round, trajectory_hash="t", vectors={}, progress={})


def checkpointer(experiment, attempt):
    outbox = Outbox(capacity=10)
    return JournaledCheckpointer(take_over(experiment, attempt=attempt), outbox), outbox


def names(checkpointer):
    return [path.name for path in checkpointer.paths()]


def test_the_next_attempt_has_what_the_one_before_left(tmp_path):
    first, outbox = checkpointer(tmp_path, 1)
    outbox.emit(CheckpointSaved(round=5))
    first.save(checkpoint(5))
    second, inherited = checkpointer(tmp_path, 2)
    assert names(second) == ["round-00000005"]
    assert [event["round"] for event in inherited.contents()] == [5]


def test_a_zombie_can_neither_write_nor_remove_what_its_successor_has(tmp_path):
    zombie, _ = checkpointer(tmp_path, 1)
    zombie.save(checkpoint(5))
    successor, _ = checkpointer(tmp_path, 2)
    successor.save(checkpoint(10))
    with pytest.raises(StaleAttemptError, match="a later attempt"):
        zombie.save(checkpoint(15))
    assert names(successor) == ["round-00000010", "round-00000005"]
    assert [path.name for path in tmp_path.iterdir()] == ["attempt-0002"]


def test_a_zombie_in_the_middle_of_a_checkpoint_finds_no_folder_to_finish_it_in(tmp_path, monkeypatch):
    zombie, _ = checkpointer(tmp_path, 1)
    write = zombie._write_journal

    def taken_over_while_writing():
        write()
        take_over(tmp_path, attempt=2)

    monkeypatch.setattr(zombie, "_write_journal", taken_over_while_writing)
    zombie.save(checkpoint(5))
    successor, _ = checkpointer(tmp_path, 2)
    assert names(successor) == []


def test_an_attempt_that_comes_late_takes_nothing_from_those_after_it(tmp_path):
    first, _ = checkpointer(tmp_path, 1)
    first.save(checkpoint(5))
    third, _ = checkpointer(tmp_path, 3)
    late, _ = checkpointer(tmp_path, 2)
    assert (names(third), names(late)) == (["round-00000005"], [])


def test_taking_over_again_changes_nothing(tmp_path):
    first, _ = checkpointer(tmp_path, 1)
    first.save(checkpoint(5))
    assert names(checkpointer(tmp_path, 1)[0]) == ["round-00000005"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "e").write_text("in the way")
    with pytest.raises(CheckpointError, match=str(tmp_path / "e")) as refused:
        take_over(tmp_path / "e", attempt=1)
    assert Outcome.of_error(refused.value).reason == "checkpoint_not_written"


def test_a_full_disk_fails_the_run_as_such_and_leaves_the_checkpoint_before(tmp_path):
    writer, _ = checkpointer(tmp_path, 1)
    writer.save(checkpoint(5))
    (tmp_path / "attempt-0001" / f".outbox-{os.getpid()}.json").symlink_to("/dev/full")
    with pytest.raises(CheckpointError) as refused:
        writer.save(checkpoint(10))
    assert refused.value.__cause__.errno == errno.ENOSPC
    outcome = Outcome.of_error(refused.value)
    assert (outcome.state, outcome.reason) == (State.FAILED, "disk_full")
    assert "free disk space" in outcome.message
    assert names(writer) == ["round-00000005"]


def test_a_run_whose_checkpoints_were_taken_is_nobodys_failure():
    assert Outcome.of_error(StaleAttemptError("x")).state is State.INTERRUPTED

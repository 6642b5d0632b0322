import threading

from api.dispatcher.journal import JournaledCheckpointer
from api.dispatcher.outbox import Outbox
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.events import CheckpointSaved


def rounds(events):
    return [event["round"] for event in events]


def filled(*, capacity, count):
    outbox = Outbox(capacity=capacity)
    for round in range(1, count + 1):
        outbox.emit(CheckpointSaved(round=round))
    return outbox


def test_events_come_again_until_they_are_acknowledged():
    outbox = filled(capacity=10, count=4)
    first, last, complete = outbox.take(after=0, limit=3, wait_s=0)
    assert (rounds(first), last, complete) == ([1, 2, 3], 3, False)
    again, _, _ = outbox.take(after=1, limit=3, wait_s=0)
    assert rounds(again) == [2, 3, 4]
    rest, last, _ = outbox.take(after=4, limit=3, wait_s=0)
    assert (rest, last) == ([], 4)


def test_it_is_complete_only_when_closed_and_wholly_handed_over():
    outbox = filled(capacity=10, count=3)
    outbox.close()
    assert outbox.take(after=0, limit=2, wait_s=60)[2] is False
    assert outbox.take(after=2, limit=2, wait_s=60)[2] is True


def test_a_full_outbox_makes_the_run_wait_and_loses_nothing():
    outbox = filled(capacity=2, count=2)
    run = threading.Thread(target=lambda: outbox.emit(CheckpointSaved(round=3)), daemon=True)
    run.start()
    events, last, _ = outbox.take(after=0, limit=10, wait_s=0)
    assert rounds(events) == [1, 2]
    events, _, _ = outbox.take(after=last, limit=2, wait_s=0)
    run.join(timeout=30)
    assert not run.is_alive()
    assert rounds(outbox.take(after=2, limit=10, wait_s=0)[0]) == [3]


def test_what_was_not_stored_before_a_checkpoint_is_sent_by_the_next_attempt(tmp_path):
    outbox = filled(capacity=10, count=3)
    outbox.take(after=1, limit=10, wait_s=0)
    checkpoint = Checkpoint(round=3, trajectory_hash="t", vectors={}, progress={})
    (tmp_path / "c").mkdir()
    JournaledCheckpointer(tmp_path / "c", outbox).save(checkpoint)

    successor = Outbox(capacity=10)
    assert JournaledCheckpointer(tmp_path / "c", successor).paths()
    successor.emit(CheckpointSaved(round=4))
    assert rounds(successor.take(after=0, limit=10, wait_s=0)[0]) == [2, 3, 4]


def test_checkpoints_whose_journal_is_damaged_are_not_continued_from(tmp_path):
    outbox = filled(capacity=10, count=1)
    checkpoint = Checkpoint(round=1, trajectory_hash="t", vectors={}, progress={})
    (tmp_path / "c").mkdir()
    JournaledCheckpointer(tmp_path / "c", outbox).save(checkpoint)
    (tmp_path / "c" / "outbox.json").write_text("[{")

    successor = Outbox(capacity=10)
    assert not JournaledCheckpointer(tmp_path / "c", successor).paths()
    assert successor.contents() == []

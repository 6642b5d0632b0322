"""Files on disk follow the database, also where nobody looked while an experiment was deleted."""

from __future__ import annotations

import pytest

from api.dispatcher.leftovers import Leftovers


@pytest.fixture
def folders(tmp_path):
    return {"checkpoints": tmp_path / "checkpoints", "artifacts": tmp_path / "artifacts"}


def fill(folder, id):
    (folder / id / "inner").mkdir(parents=True)
    (folder / id / "inner" / "file").write_text("x")


def left(folder):
    return {path.name for path in folder.iterdir()}


def test_checkpoints_of_ended_and_of_deleted_experiments_are_removed(store, folders, make_spec):
    waiting, ended, deleted, running = (store.submit(make_spec()).id for _ in range(4))
    for id in (waiting, ended, deleted, running):
        fill(folders["checkpoints"], id)
    store.request_cancel(ended)
    store.request_cancel(deleted)
    store.delete(deleted)
    store.request_cancel(running)  # its watch has not noticed yet
    Leftovers(store, **folders).sweep(keep={running})
    assert left(folders["checkpoints"]) == {waiting, running}


def test_artifacts_of_deleted_experiments_are_removed_and_of_ended_ones_kept(store, folders, leave_artifacts):
    kept, deleted = (leave_artifacts(store, folders["artifacts"]) for _ in range(2))
    fill(folders["artifacts"], "not-ours")
    store.delete(deleted)
    Leftovers(store, **folders).sweep(keep=set())
    assert left(folders["artifacts"]) == {kept, "not-ours"}


def test_a_deleted_parent_keeps_its_files_until_its_forks_have_ended(store, folders, leave_artifacts):
    parent = leave_artifacts(store, folders["artifacts"])
    fork, _ = store.forks.submit(parent, [])
    store.delete(parent)
    Leftovers(store, **folders).sweep(keep=set())
    assert left(folders["artifacts"]) == {parent}
    store.request_cancel(fork.id)
    Leftovers(store, **folders).sweep(keep=set())
    assert left(folders["artifacts"]) == set()


def test_a_database_without_any_experiment_is_taken_for_the_wrong_one(store, folders):
    for folder in folders.values():
        fill(folder, "0123456789abcdef")
    Leftovers(store, **folders).sweep(keep=set())
    assert all(left(folder) == {"0123456789abcdef"} for folder in folders.values())

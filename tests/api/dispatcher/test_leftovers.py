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
    leftovers = Leftovers(store, **folders)
    leftovers.sweep(keep=set())
    store.request_cancel(ended)
    store.request_cancel(deleted)
    store.delete(deleted)
    store.request_cancel(running)  # its watch has not noticed yet
    leftovers.sweep(keep={running})
    assert left(folders["checkpoints"]) == {waiting, running}


def test_artifacts_of_deleted_experiments_are_removed_and_of_ended_ones_kept(store, folders, leave_artifacts):
    kept, deleted = (leave_artifacts(store, folders["artifacts"]) for _ in range(2))
    fill(folders["artifacts"], "not-ours")
    leftovers = Leftovers(store, **folders)
    leftovers.remove_artifacts(keep=set())
    store.delete(deleted)
    leftovers.remove_artifacts(keep=set())
    assert left(folders["artifacts"]) == {kept, "not-ours"}


def test_what_was_deleted_right_after_its_run_is_removed_too(store, folders, leave_artifacts):
    leftovers = Leftovers(store, **folders)
    id = leave_artifacts(store, folders["artifacts"])
    leftovers.sweep(keep={id})
    store.delete(id)
    leftovers.remove_artifacts(keep=set())
    assert left(folders["artifacts"]) == set()


def test_a_deleted_parent_keeps_its_files_until_its_forks_have_ended(store, folders, leave_artifacts):
    parent = leave_artifacts(store, folders["artifacts"])
    fork, _ = store.forks.submit(parent, [])
    leftovers = Leftovers(store, **folders)
    leftovers.remove_artifacts(keep=set())
    store.delete(parent)
    leftovers.remove_artifacts(keep=set())
    assert left(folders["artifacts"]) == {parent}
    store.request_cancel(fork.id)
    leftovers.remove_artifacts(keep=set())
    assert left(folders["artifacts"]) == set()


def test_folders_that_this_database_never_knew_are_left_alone_and_told_of_once(store, folders, make_spec, caplog):
    store.submit(make_spec())
    for folder in folders.values():
        fill(folder, "0123456789abcdef")
    leftovers = Leftovers(store, **folders)
    for _ in range(2):
        leftovers.remove_artifacts(keep=set())
        leftovers.remove_checkpoints("0123456789abcdef")
    assert all(left(folder) == {"0123456789abcdef"} for folder in folders.values())
    assert [record.levelname for record in caplog.records if "0123456789abcdef" in record.message] == ["WARNING"]

"""What people change beside the spec, on every database."""

from __future__ import annotations

import threading

import pytest

from heron_ray.errors import ConflictError, NotFoundError, StaleEditError


@pytest.fixture
def ended(store, make_spec):
    id = store.submit(make_spec(), ["a", "b"]).id
    return store.request_cancel(id)


def test_tags_are_replaced_in_the_order_given_and_the_revision_counts(store, ended):
    edited = store.edits.edit(ended.id, tags=["c", "b", "c"])
    assert (edited.tags, edited.revision) == (("c", "b"), 2)
    assert store.get(ended.id) == edited
    assert store.edits.edit(ended.id, tags=[]).tags == ()


def test_the_same_tags_in_another_order_are_an_edit(store, ended):
    assert store.edits.edit(ended.id, tags=["b", "a"]).tags == ("b", "a")
    assert store.get(ended.id).tags == ("b", "a")
    assert store.get(ended.id).revision == 2


def test_an_ended_experiment_goes_into_the_archive_and_back(store, ended):
    archived = store.edits.edit(ended.id, archived=True)
    assert (archived.archived_at, archived.revision) == (archived.updated_at, 2)
    back = store.edits.edit(ended.id, archived=False)
    assert (back.archived_at, back.revision, back.tags) == (None, 3, ("a", "b"))


def test_one_that_has_not_ended_cannot_be_archived(store, make_spec):
    id = store.submit(make_spec(), ["a"]).id
    with pytest.raises(ConflictError, match=f"{id}.*QUEUED.*archived"):
        store.edits.edit(id, tags=["b"], archived=True)
    assert (store.get(id).tags, store.get(id).revision) == (("a",), 1)


def test_what_changes_nothing_is_no_edit(store, ended):
    same = store.edits.edit(ended.id, tags=["a", "b"], archived=False)
    assert (same, store.edits.edit(ended.id)) == (ended, ended)


def test_an_edit_of_another_revision_is_stale_and_names_the_current_one(store, ended):
    store.edits.edit(ended.id, tags=["c"], revision=1)
    with pytest.raises(StaleEditError, match=ended.id) as refused:
        store.edits.edit(ended.id, tags=["d"], revision=1)
    assert refused.value.revision == 2
    assert store.get(ended.id).tags == ("c",)


def test_of_many_editors_of_one_revision_one_succeeds(store, ended):
    outcomes, barrier = [], threading.Barrier(8)

    def edit(number):
        barrier.wait()
        try:
            outcomes.append(store.edits.edit(ended.id, tags=[f"mine-{number}"], revision=1).tags)
        except StaleEditError:
            outcomes.append(None)

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = [outcome for outcome in outcomes if outcome is not None]
    assert (len(outcomes), store.get(ended.id).tags, store.get(ended.id).revision) == (8, kept, 2)


def test_an_unknown_id_is_not_found(store):
    with pytest.raises(NotFoundError, match="'nonesuch'"):
        store.edits.edit("nonesuch", archived=True)

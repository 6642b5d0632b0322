"""Lists for people: the same filters, orders and pages on every database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.domain.conditions import parse_conditions
from api.domain.listing import FIGURES, KEYS, Filters, Order
from api.domain.states import State
from api.store import listing
from heron_ray.errors import NotFoundError

NAMES = ["b", "a", "B", "ä", "a", "z-9"]


def ids_of(store, order="-created", *, limit=50, after=None, **filters):
    return [record.id for record in store.lists.page(Filters(**filters), Order.parse(order), limit=limit, after=after)[0]]


def ids_by_pages(store, order, *, limit, **filters):
    """The ids of all pages, one after the other."""
    order, ids, place = Order.parse(order), [], None
    while True:
        page, place = store.lists.page(Filters(**filters), order, limit=limit, after=place)
        ids += [record.id for record in page]
        if place is None:
            return ids


def finish(store, id, **figures):
    """Run the oldest queued experiment to its end."""
    experiment, attempt = store.claim(owner="test", lease_s=60)
    assert experiment.id == id
    store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result=figures)


@pytest.fixture
def ids(store, make_spec):
    """Six experiments: the first three ended, two of them with figures, the fourth cancelled."""
    found = [store.submit(make_spec(name=name), [f"tag-{n % 2}", f"tag-{n % 3}"]).id for n, name in enumerate(NAMES)]
    finish(store, found[0], test_accuracy=0.5, validation_accuracy=0.25, auxiliary_accuracy=0.125)
    finish(store, found[1], test_accuracy=0.75, validation_accuracy=0.25)
    finish(store, found[2])
    store.request_cancel(found[3])
    return found


def test_the_newest_come_first_unless_another_order_is_asked_for(store, ids):
    assert ids_of(store) == ids[::-1]
    assert ids_of(store, "created") == ids


def test_names_are_sorted_alike_on_every_database_and_equal_ones_by_age(store, ids):
    assert ids_of(store, "name") == [ids[n] for n in (2, 1, 4, 0, 5, 3)]
    assert ids_of(store, "-name") == [ids[n] for n in (3, 5, 0, 4, 1, 2)]


def test_what_changed_last_comes_first_by_update(store, ids):
    assert ids_of(store, "-updated")[0] == ids[3]
    store.request_cancel(ids[4])
    assert ids_of(store, "-updated")[0] == ids[4]


def test_those_without_a_figure_come_last_in_both_directions(store, ids):
    assert ids_of(store, "-test_accuracy") == [ids[n] for n in (1, 0, 5, 4, 3, 2)]
    assert ids_of(store, "test_accuracy") == [ids[n] for n in (0, 1, 2, 3, 4, 5)]
    assert ids_of(store, "-validation_accuracy")[:2] == [ids[1], ids[0]]
    assert ids_of(store, "-auxiliary_accuracy")[:1] == [ids[0]]


@pytest.mark.parametrize("order", [sign + key for key in KEYS for sign in ("", "-")])
def test_pages_of_every_order_follow_one_another_without_gap_or_overlap(store, ids, order):
    everything, tagged = ids_of(store, order), ids_of(store, order, tags=("tag-0",))
    assert sorted(everything) == sorted(ids)
    for limit in (1, 2, 4):
        assert ids_by_pages(store, order, limit=limit) == everything
        assert ids_by_pages(store, order, limit=limit, tags=("tag-0",)) == tagged


@pytest.mark.parametrize("order", ["-created", "name", "-test_accuracy"])
def test_a_page_goes_on_where_it_ended_whatever_came_and_went(store, ids, make_spec, order):
    everything = ids_of(store, order)
    first, place = store.lists.page(Filters(), Order.parse(order), limit=2)
    for record in first:
        if record.state == "QUEUED":
            store.request_cancel(record.id)
        store.delete(record.id)
    new = store.submit(make_spec(name="m")).id
    assert [id for id in ids_of(store, order, after=place) if id != new] == everything[2:]


@pytest.mark.parametrize("order", [sign + key for key in KEYS for sign in ("", "-")])
def test_an_id_stands_for_the_place_of_its_experiment(store, ids, order):
    everything = ids_of(store, order)
    assert ids_of(store, order, after=everything[1]) == everything[2:]


def test_a_page_after_an_unknown_experiment_is_not_found(store):
    with pytest.raises(NotFoundError, match="'nonesuch'"):
        ids_of(store, after="nonesuch")


def test_states_and_tags_narrow_the_list(store, ids):
    assert ids_of(store, states=(State.CANCELLED,)) == [ids[3]]
    assert ids_of(store, "created", states=(State.CANCELLED, State.QUEUED, State.CANCELLED)) == ids[3:]
    assert ids_of(store, "state", states=(State.QUEUED, State.CANCELLED)) == [ids[3], ids[4], ids[5]]
    assert ids_of(store, tags=("tag-1",)) == [ids[n] for n in (5, 4, 3, 1)]
    assert ids_of(store, tags=("tag-1", "tag-2")) == [ids[5]]
    assert ids_of(store, tags=("tag-1", "tag-1")) == ids_of(store, tags=("tag-1",))
    assert ids_of(store, tags=("tag-0", "nonesuch")) == []
    assert ids_of(store, tags=("tag-1",), states=(State.CANCELLED,)) == [ids[3]]


def test_a_part_of_the_name_narrows_the_list_as_it_is_written(store, ids):
    assert ids_of(store, name="-9") == [ids[5]]
    assert ids_of(store, name="b") == [ids[0]]
    assert ids_of(store, name="B") == [ids[2]]
    assert ids_of(store, name="%") == []


def test_a_time_of_submission_narrows_the_list(store, ids):
    created_at = store.get(ids[2]).created_at
    later = timedelta(hours=1)
    assert ids_of(store, created_after=created_at - later) == ids[::-1]
    assert ids_of(store, created_after=created_at + later) == []
    assert ids_of(store, created_before=created_at + later) == ids[::-1]
    assert ids[2] not in ids_of(store, created_before=created_at)


def test_the_archive_is_a_list_of_its_own(store, ids):
    store.edits.edit(ids[1], archived=True)
    assert ids_of(store, archived=True) == [ids[1]]
    assert ids_of(store, archived=False) == [id for id in ids[::-1] if id != ids[1]]
    assert ids_of(store, archived=None) == ids[::-1]


def test_conditions_on_the_spec_narrow_the_list(store, make_spec):
    ids = [store.submit(make_spec(seed=seed), ["a"]).id for seed in range(7)]
    even = parse_conditions(["seed>=2", "seed!=5", "method.kind=heron"])
    assert ids_of(store, conditions=even) == [ids[n] for n in (6, 4, 3, 2)]
    assert ids_by_pages(store, "name", limit=2, conditions=even, tags=("a",)) == [ids[n] for n in (2, 3, 4, 6)]
    assert ids_by_pages(store, "-test_accuracy", limit=1, conditions=even) == [ids[n] for n in (6, 4, 3, 2)]


def test_a_page_with_conditions_ends_after_so_many_were_looked_at(store, make_spec, monkeypatch):
    monkeypatch.setattr(listing, "MOST_LOOKED_AT", 2)
    ids = [store.submit(make_spec(seed=seed)).id for seed in range(5)]
    asked = Filters(conditions=parse_conditions(["seed=0"]))
    first, place = store.lists.page(asked, Order(), limit=50)
    assert (first, place is None) == ([], False)
    assert ids_by_pages(store, "-created", limit=50, conditions=asked.conditions) == [ids[0]]


def test_a_line_of_the_list_tells_where_an_experiment_stands_and_what_it_came_to(store, ids):
    found = {record.id: record for record in store.lists.page(Filters(), Order(), limit=9)[0]}
    assert [getattr(found[ids[0]], figure) for figure in FIGURES] == [0.5, 0.25, 0.125]
    assert [getattr(found[ids[2]], figure) for figure in FIGURES] == [None, None, None]
    assert (found[ids[3]].state, found[ids[3]].reason) == ("CANCELLED", "cancel_requested")
    assert found[ids[0]].tags == ("tag-0",)
    assert found[ids[5]].tags == ("tag-1", "tag-2")


def test_the_names_of_series_are_found_with_experiments_to_compare(store, start_run, make_spec):
    running, attempt = start_run(store)
    other = store.submit(make_spec(seed=7))
    metrics = {"b": 1.0, "a": 2.0, "b/c": 3.0}
    rounds = [{"kind": "round_finished", "key": f"round_finished:{n}", "round": n, "metrics": metrics} for n in (1, 2)]
    store.record(attempt.id, attempt.token, events=rounds)
    found = store.lists.compared([other.id, running.id])
    assert [(record.id, set(names)) for record, names in found] == [(other.id, set()), (running.id, {"a", "b", "b/c"})]
    with pytest.raises(NotFoundError, match="'nonesuch'"):
        store.lists.compared([other.id, "nonesuch"])

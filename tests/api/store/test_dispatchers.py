"""What dispatchers say of themselves: the newest word of each, what it runs, and when it is not to be believed any more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from api.domain.admission import Resources
from api.domain.cluster import SILENT_AFTER, Node, Running
from api.store.dispatchers import FORGOTTEN_AFTER, DispatcherRow


def node(name: str, *, is_alive: bool = True) -> Node:
    has = Resources(cpus=2.0, gpus=1.0, memory_bytes=4 << 30)
    return Node(id=f"id-{name}", name=name, address="10.0.0.1", is_alive=is_alive, is_head=name == "a", has=has)


@pytest.fixture
def age(store):
    """Make the word of a dispatcher older."""

    def make(owner: str, by: timedelta) -> None:
        with store.dispatchers._writing() as session:
            mine = update(DispatcherRow).where(DispatcherRow.owner == owner)
            session.execute(mine.values(seen_at=session.get(DispatcherRow, owner).seen_at - by))

    return make


def test_the_newest_word_of_each_counts(store):
    store.dispatchers.note("second", slots=1, nodes=[])
    store.dispatchers.note("first", slots=1, nodes=[node("a")])
    store.dispatchers.note("first", slots=2, nodes=[node("a"), node("b", is_alive=False)])
    first, second = store.dispatchers.list()
    assert (first.owner, first.slots, first.nodes) == ("first", 2, (node("a"), node("b", is_alive=False)))
    assert (second.owner, second.nodes, second.running, second.is_silent) == ("second", (), (), False)
    store.dispatchers.forget("second")
    store.dispatchers.forget("second")
    assert [one.owner for one in store.dispatchers.list()] == ["first"]


def test_it_runs_the_experiments_of_its_living_attempts(store, make_spec):
    store.dispatchers.note("me", slots=2, nodes=[node("a")])
    ids = [store.submit(make_spec(), resources={"cpus": 1}).id for _ in range(4)]
    attempts = [store.claim(owner=owner, lease_s=60)[1] for owner in ("me", "another", "me")]
    store.running(attempts[0].id, attempts[0].token, driver_pid=1, node="id-a")
    (mine,) = store.dispatchers.list()
    one_core = Resources(cpus=1)
    assert mine.running == (
        Running(id=ids[0], name=make_spec().name, node="id-a", resources=one_core),
        Running(id=ids[2], name=make_spec().name, node=None, resources=one_core),
    )
    store.interrupt(attempts[0].id, attempts[0].token, reason="driver_lost", message="it died", max_attempts=5)
    assert [one.id for one in store.dispatchers.list()[0].running] == [ids[2]]


def test_one_that_says_nothing_is_silent_and_after_a_day_forgotten(store, age):
    store.dispatchers.note("gone", slots=1, nodes=[])
    store.dispatchers.note("here", slots=1, nodes=[])
    age("gone", SILENT_AFTER + timedelta(seconds=5))
    assert {one.owner: one.is_silent for one in store.dispatchers.list()} == {"gone": True, "here": False}
    store.dispatchers.note("here", slots=1, nodes=[])
    assert [one.owner for one in store.dispatchers.list()] == ["gone", "here"]
    age("gone", FORGOTTEN_AFTER)
    store.dispatchers.note("here", slots=1, nodes=[])
    assert [one.owner for one in store.dispatchers.list()] == ["here"]

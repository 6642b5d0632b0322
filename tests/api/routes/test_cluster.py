"""GET /v1/cluster: dispatchers with slots and nodes, and the queue."""

from __future__ import annotations

import httpx
import pytest

from api.domain.admission import Resources
from api.domain.cluster import Node

HAS = Resources(cpus=4.0, gpus=0.0, memory_bytes=8 << 30)


@pytest.fixture
def client(serve, sqlite_store):
    with httpx.Client(base_url=serve(sqlite_store), trust_env=False) as client:
        yield client


def node(name, *, is_alive=True):
    return Node(id=name, name=name, address="10.0.0.1", is_alive=is_alive, is_head=name == "a", has=HAS)


def test_with_no_dispatcher_everything_waits(client, sqlite_store, make_spec):
    assert client.get("/v1/cluster").json() == {"dispatchers": [], "queue": {"length": 0, "first": []}}
    ids = [sqlite_store.submit(make_spec()).id for _ in range(22)]
    sqlite_store.note_waiting({ids[0]: "waits for a free slot: 1 of 1 run"})
    queue = client.get("/v1/cluster").json()["queue"]
    assert (queue["length"], [one["id"] for one in queue["first"]]) == (22, ids[:20])
    assert [one["waiting"] for one in queue["first"][:2]] == ["waits for a free slot: 1 of 1 run", None]


def test_what_is_let_in_stands_beside_what_living_nodes_have(client, sqlite_store, make_spec):
    sqlite_store.dispatchers.note("me", slots=3, nodes=[node("a"), node("b"), node("c", is_alive=False)])
    for cpus in (1, 2):
        id = sqlite_store.submit(make_spec(), resources={"cpus": cpus}).id
        sqlite_store.claim(owner="me", lease_s=60, id=id)
    (mine,) = client.get("/v1/cluster").json()["dispatchers"]
    assert (mine["owner"], mine["slots"], len(mine["running"]), mine["is_silent"]) == ("me", 3, 2, False)
    assert mine["has"] == {"cpus": 8.0, "gpus": 0.0, "memory_bytes": 16 << 30}
    assert mine["admitted"] == {"cpus": 3.0, "gpus": 0.0, "memory_bytes": 0}
    assert [(one["id"], one["is_alive"], one["is_head"]) for one in mine["nodes"]] == [
        ("a", True, True),
        ("b", True, False),
        ("c", False, False),
    ]

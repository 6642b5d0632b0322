from __future__ import annotations

import pytest

from api.domain.conditions import parse_conditions
from api.domain.listing import KEYS, Order, Place
from api.routes.examples import example_spec
from heron_ray.errors import RequestError, SpecError
from heron_ray.spec import parse_spec


def holds(text, **fields):
    (condition,) = parse_conditions([text])
    return condition.holds(parse_spec({**example_spec(), **fields}).canonical())


@pytest.mark.parametrize(
    "text",
    [
        "method.kind=heron",
        "method.kind == heron",
        "method.kind!=sflv2",
        "method.zeroth_order.mu>=1e-3",
        "method.zeroth_order.mu<=0.001",
        "clients.count>9.5",
        "clients.count=10.0",
        "name<e",
        "attack=null",
        "model.front=32",
        "model.front=16",
    ],
)
def test_what_a_spec_says_holds(text):
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "method.kind=hero",
        "clients.count>10",
        "clients.count='10'",
        "clients.count=true",
        "clients.count!='10'",
        "attack.kind=alie",
        "attack.kind!=alie",
        "model.front=64",
    ],
)
def test_what_it_does_not_say_or_has_no_place_for_does_not_hold(text):
    assert not holds(text)


@pytest.mark.parametrize(
    ("text", "path", "suggestion"),
    [
        ("method.zeroth_order.moo=1", "where.method.zeroth_order.moo", "method.zeroth_order.mu"),
        ("roundz>1", "where.roundz", "rounds"),
        ("rounds", "where", None),
        ("=3", "where", None),
        ("rounds=[1, 2]", "where.rounds", None),
        ("rounds>null", "where.rounds", None),
        ("rounds={", "", None),
    ],
)
def test_a_condition_that_cannot_be_one_is_refused_by_its_path(text, path, suggestion):
    with pytest.raises(SpecError) as refused:
        parse_conditions([text])
    assert [(issue.path, issue.suggestion) for issue in refused.value.issues] == [(path, suggestion)]


@pytest.mark.parametrize("key", KEYS)
def test_an_order_reads_as_it_is_written(key):
    for text in (key, f"-{key}"):
        assert str(Order.parse(text)) == text


@pytest.mark.parametrize("value", ["x", 7, True, None, 1e999, [1], "2026-01-01T00:00:00+00:00", "\0"])
@pytest.mark.parametrize("key", KEYS)
def test_a_cursor_is_read_as_it_was_made_or_refused(key, value):
    """Somebody may make up cursors; none may get a value to the database that its column cannot be compared with."""
    order = Order(key=key)
    cursor = Place(order=order, value=value, number=7).cursor()
    readable = {
        "created": (None,),
        "updated": ("2026-01-01T00:00:00+00:00",),
        "name": ("x", "2026-01-01T00:00:00+00:00"),
        "state": ("x", "2026-01-01T00:00:00+00:00"),
    }.get(key, (7, None))
    # True equals 1 and not 7, so `in` tells it apart.
    if value in readable:
        read = Place.read(cursor, order)
        assert (read.number, Place.read(read.cursor(), order)) == (7, read)
    else:
        with pytest.raises(RequestError, match="no cursor"):
            Place.read(cursor, order)


@pytest.mark.parametrize("cursor", ["c-", "c-x", "c-W10", "c-WzEsMiwzXQ", "c-bnVsbA", "c-\u00e9", "c-" + "W" * 1900])
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(RequestError, match="no cursor"):
        Place.read(cursor, Order())

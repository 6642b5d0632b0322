"""What explains the spread of a figure is found, and what does not is not."""

from __future__ import annotations

import random

from tune_spaces import resolve_space
from tune_spaces.importance import importances

SPACE = resolve_space(
    {
        "method.zeroth_order.mu": {"kind": "loguniform", "low": 1e-5, "high": 1e-1},
        "clients.local_steps": {"kind": "integer", "low": 1, "high": 32},
        "method.client_optimizer.kind": {"kind": "choice", "values": ["sgd", "adam"]},
        "method.client_optimizer.momentum": {
            "kind": "choice",
            "values": [0.0, 0.9],
            "when": {"method.client_optimizer.kind": ["sgd"]},
        },
    }
)


def drawn(count):
    generator = random.Random(0)
    for _ in range(count):
        drawn = {
            "method.zeroth_order.mu": 10 ** generator.uniform(-5, -1),
            "clients.local_steps": generator.randint(1, 32),
            "method.client_optimizer.kind": generator.choice(["sgd", "adam"]),
            "method.client_optimizer.momentum": generator.choice([0.0, 0.9]),
        }
        yield SPACE.present(drawn)


def test_the_axis_that_decides_comes_first_and_the_shares_add_up_to_one():
    points = [
        (point, point["clients.local_steps"] + 3.0 * (point["method.client_optimizer.kind"] == "sgd")) for point in drawn(80)
    ]
    found = importances(SPACE, points)
    assert next(iter(found)) == "clients.local_steps"
    assert found["clients.local_steps"] > 0.8
    assert found["method.zeroth_order.mu"] < 0.1
    assert abs(sum(found.values()) - 1) < 1e-6


def test_an_axis_that_not_every_point_has_is_left_out():
    points = [(point, float(point["clients.local_steps"])) for point in drawn(40)]
    assert "method.client_optimizer.momentum" not in importances(SPACE, points)


def test_the_same_points_say_the_same():
    points = [(point, float(point["clients.local_steps"])) for point in drawn(40)]
    assert importances(SPACE, points) == importances(SPACE, points)


def test_too_few_points_or_no_spread_say_nothing():
    points = [(point, 1.0) for point in drawn(40)]
    assert importances(SPACE, points) == {}
    assert importances(SPACE, [(point, float(index)) for index, (point, _) in enumerate(points[:3])]) == {}
    assert importances(SPACE, []) == {}

"""Experiments that hold the same share one estimate; whatever changes what is held has one of its own."""

from __future__ import annotations

import pytest

from api.dispatcher.estimates import Estimates
from heron_ray.simulation.footprint import footprint


class Answered:
    """A driver that answers at once."""

    def __init__(self, spec):
        self._footprint = footprint(spec, distributed=False).to_dict()

    def ask_footprint(self, spec):
        return self._footprint

    def answer(self, reference):
        return reference


@pytest.fixture
def estimated(sqlite_store, make_spec):
    """Estimates that know the example, and a way to ask them for a variation of it."""
    estimates = Estimates()
    first = sqlite_store.submit(make_spec())
    estimates.make(Answered(make_spec()), first)
    assert estimates.of(first) is not None
    return lambda **fields: (spec := make_spec(**fields), estimates.of(sqlite_store.submit(spec)))


def varied(method, **fields):
    return {**method, **fields}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "another", "seed": 7, "rounds": 3},
        {"partition": {"kind": "dirichlet", "alpha": 0.1}},
        {"stop": {"accuracy": 0.5}},
    ],
)
def test_what_changes_nobody_s_memory_is_not_estimated_anew(estimated, fields):
    spec, known = estimated(**fields)
    assert known is not None
    assert {name: known[name] for name in known if name != "estimated"} == footprint(spec, distributed=False).to_dict()


def test_rates_and_the_perturbation_scale_are_not_estimated_anew(estimated, make_spec):
    method = make_spec().canonical()["method"]
    rates = {name: {**method[name], "lr": 1e-5} for name in ("client_optimizer", "server_optimizer")}
    _, known = estimated(method=varied(method, **rates, zeroth_order={**method["zeroth_order"], "mu": 1e-5}))
    assert known is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"clients": {"count": 3, "batch_size": 7}},
        {"model": {"kind": "mlp", "front": [9], "back": [9], "auxiliary": {"kind": "linear"}}},
        {"aggregation": {"kind": "median"}},
        {"attack": {"kind": "alie", "byzantine": 1}},
        {"compute": {"executor": "local", "threads": 2}},
    ],
)
def test_what_may_change_it_is_estimated_anew(estimated, fields):
    assert estimated(**fields)[1] is None


def test_how_many_attack_and_how_hard_is_not_estimated_anew(sqlite_store, make_spec):
    estimates = Estimates()
    one, other = (make_spec(attack={"kind": "ipm", "byzantine": 1, "tau": tau}) for tau in (0.5, 2.0))
    estimates.make(Answered(one), sqlite_store.submit(one))
    assert estimates.of(sqlite_store.submit(other)) is not None


def test_momentum_is_a_vector_more(estimated, make_spec):
    method = make_spec().canonical()["method"]
    with_state = {"kind": "sgd", "lr": 0.1, "momentum": 0.9}
    assert estimated(method=varied(method, client_optimizer=with_state))[1] is None

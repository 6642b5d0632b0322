from __future__ import annotations

import itertools

import pytest

from api.domain.states import LIVE, TERMINAL, TRANSITIONS, State, require_transition
from heron_ray.errors import ConflictError


def test_every_state_has_a_row_in_the_table():
    assert set(TRANSITIONS) == set(State)


def test_the_derived_sets_are_the_ones_people_mean():
    assert {State.SUCCEEDED, State.FAILED, State.CANCELLED} == TERMINAL
    assert {State.STARTING, State.RUNNING, State.CANCELLING} == LIVE


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_reachable_and_every_one_leads_to_an_end(state):
    def reachable(start):
        seen, frontier = {start}, [start]
        while frontier:
            frontier = [new for old in frontier for new in TRANSITIONS[old] - seen]
            seen.update(frontier)
        return seen

    assert state in reachable(State.QUEUED)
    assert reachable(state) & TERMINAL


@pytest.mark.parametrize(("old", "new"), list(itertools.product(State, State)))
def test_a_transition_outside_the_table_is_a_conflict_that_names_both_states(old, new):
    if new in TRANSITIONS[old]:
        require_transition(old, new)
    else:
        with pytest.raises(ConflictError, match=f"{old}.*{new}"):
            require_transition(old, new)

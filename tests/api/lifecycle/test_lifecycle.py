"""Any sequence of what people, dispatchers and zombies do to experiments leaves the database as the model says.

Longer: `HERON_LIFECYCLE_EXAMPLES=2000 pytest tests/api/lifecycle` (drawn anew at each run; the default is always the same).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from api.domain.records import ExperimentRecord
from api.domain.states import LIVE, TERMINAL, TRANSITIONS, State
from api.routes.examples import example_spec
from api.store import Store
from heron_ray.errors import ConflictError, HeronError, NotFoundError, StaleAttemptError
from heron_ray.spec import parse_spec

from .model import Asked, Attempt, Experiment, Model

EXAMPLES = int(os.environ.get("HERON_LIFECYCLE_EXAMPLES", "0"))
SPECS = [parse_spec({**example_spec(), "seed": seed}) for seed in (1, 2)]
OWNERS = st.sampled_from(["dispatcher-1", "dispatcher-2"])
KEYS = st.sampled_from(["key-1", "key-2"])
PLENTY = 100


@st.composite
def batches(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Finished rounds as a driver tells them: in order, from anywhere, some of them twice and with other values."""
    start = draw(st.integers(1, 6))
    rounds = list(range(start, start + draw(st.integers(0, 4)))) + draw(st.lists(st.integers(1, 6), max_size=2))
    value = st.floats(-1e6, 1e6)
    return [
        {"kind": "round_finished", "key": f"round_finished:{round}", "round": round, "rounds": 20, "metrics": metrics}
        for round in rounds
        for metrics in [draw(st.dictionaries(st.sampled_from(["train_loss", "test_accuracy"]), value))]
    ]


class Lifecycle(RuleBasedStateMachine):
    """The store beside the model. A step does the same to both and compares how it ended; then all they hold is compared."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.model = Model()
        self.seen: dict[str, ExperimentRecord] = {}

    def both(self, real: Callable[[], Any], modelled: Callable[[], Any]) -> Any:
        """Do it to the model and to the store: refused by neither, or by both for the same reason. The store's answer."""
        expected = refusal_of(modelled)
        answers: list[Any] = []
        assert refusal_of(real, answers) == expected
        return answers[0] if answers else None

    def an_experiment(self, data: st.DataObject) -> Experiment:
        return data.draw(st.sampled_from(list(self.model.experiments.values())))

    def an_attempt(self, data: st.DataObject) -> tuple[int, int]:
        """An attempt's id and a token: most often the right one of a living attempt, else a zombie's."""
        attempt: Attempt = data.draw(st.sampled_from(self.model.living() or self.model.attempts()))
        if data.draw(st.sampled_from([False, False, False, True])):
            attempt = data.draw(st.sampled_from(self.model.attempts()))
            return attempt.id, attempt.token - data.draw(st.integers(0, 1))
        return attempt.id, attempt.token

    @initialize()
    def nothing_is_there(self) -> None:
        assert self.store.list(limit=1) == []

    @rule(spec=st.integers(0, 1))
    def submit(self, spec: int) -> None:
        self.model.add(self.store.submit(SPECS[spec]).id, (spec, None), None)

    @rule(spec=st.integers(0, 1), key=KEYS)
    def submit_once(self, spec: int, key: str) -> None:
        asked = (spec, None)
        answer = self.both(partial(self.store.submit_once, SPECS[spec], key=key), partial(self.model.under, key, asked))
        self.found_or_new(answer, asked, key)

    @precondition(lambda self: self.model.experiments)
    @rule(data=st.data(), key=st.none() | KEYS)
    def retry(self, data: st.DataObject, key: str | None) -> None:
        one = self.an_experiment(data)
        asked = (one.asked[0], one.id)

        def modelled() -> None:
            self.model.require_ended(one.id)
            if key is not None:
                self.model.under(key, asked)

        self.found_or_new(self.both(partial(self.store.retry, one.id, key=key), modelled), asked, key)

    def found_or_new(self, answer: tuple[ExperimentRecord, bool] | None, asked: Asked, key: str | None) -> None:
        if answer is not None:
            record, is_new = answer
            known = self.model.held.get(key) if key is not None else None
            assert (is_new, known) == ((True, None) if is_new else (False, record.id))
            if is_new:
                self.model.add(record.id, asked, key)

    @rule(owner=OWNERS)
    def claim(self, owner: str) -> None:
        expected = self.model.oldest_queued()
        claimed = self.store.claim(owner=owner, lease_s=60)
        assert (claimed and claimed[0].id) == (expected and expected.id)
        if claimed is not None and expected is not None:
            expected.attempts.append(Attempt(id=claimed[1].id, token=claimed[1].token, owner=owner))
            expected.become(State.STARTING)

    @precondition(lambda self: self.model.attempts())
    @rule(data=st.data())
    def running(self, data: st.DataObject) -> None:
        id, token = self.an_attempt(data)
        self.both(lambda: self.store.running(id, token, driver_pid=1, node="a"), lambda: self.model.running(id, token))

    @precondition(lambda self: self.model.attempts())
    @rule(data=st.data(), events=batches())
    def record(self, data: st.DataObject, events: list[dict[str, Any]]) -> None:
        id, token = self.an_attempt(data)
        self.both(lambda: self.store.record(id, token, events=events), lambda: self.model.record(id, token, events))

    @precondition(lambda self: self.model.attempts())
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        held = list({pair[0]: pair for pair in (self.an_attempt(data), self.an_attempt(data))}.values())
        stale = [id for id, token in held if refusal_of(lambda id=id, token=token: self.model.fenced(id, token))]
        assert sorted(self.store.renew(held, lease_s=60)) == sorted(stale)

    @precondition(lambda self: self.model.attempts())
    @rule(data=st.data(), state=st.sampled_from([*sorted(TERMINAL), State.QUEUED]))
    def finish(self, data: st.DataObject, state: State) -> None:
        id, token = self.an_attempt(data)
        self.both(
            lambda: self.store.finish(id, token, state=state, reason=None, message=None, result={}),
            lambda: self.model.finish(id, token, state),
        )

    @precondition(lambda self: self.model.attempts())
    @rule(data=st.data(), most=st.integers(1, 3))
    def interrupt(self, data: st.DataObject, most: int) -> None:
        id, token = self.an_attempt(data)
        self.both(
            lambda: self.store.interrupt(id, token, reason="driver_lost", message="gone", max_attempts=most),
            lambda: self.model.interrupt(id, token, reason="driver_lost", max_attempts=most),
        )

    @precondition(lambda self: self.model.attempts())
    @rule(data=st.data(), owner=OWNERS)
    def adopt(self, data: st.DataObject, owner: str) -> None:
        id, _ = self.an_attempt(data)
        self.both(lambda: self.store.adopt(id, owner=owner, lease_s=60), lambda: self.model.adopt(id, owner))

    @precondition(lambda self: self.model.experiments)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        id = self.an_experiment(data).id
        self.both(lambda: self.store.request_cancel(id), lambda: self.model.cancel(id))

    @precondition(lambda self: self.model.experiments)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        id = self.an_experiment(data).id
        self.both(lambda: self.store.delete(id), lambda: self.model.delete(id))
        if id not in self.model.experiments:
            assert refusal_of(lambda: self.store.get(id)) is NotFoundError

    @invariant()
    def the_database_is_the_models(self) -> None:
        records = self.store.list(limit=PLENTY)
        assert [record.id for record in records] == list(self.model.experiments)[::-1]
        assert self.store.count() == {state: sum(record.state == state for record in records) for state in State}
        held = {(attempt.id, attempt.token, attempt.owner) for _, attempt in self.store.live_attempts()}
        assert held == {(attempt.id, attempt.token, attempt.owner) for attempt in self.model.living()}
        for record in records:
            if record.state in LIVE or self.seen.get(record.id) != record:
                self.require_the_models(record, self.model.experiments[record.id])
                self.seen[record.id] = record

    def require_the_models(self, record: ExperimentRecord, one: Experiment) -> None:
        assert record.id not in self.seen or self.seen[record.id].state not in TERMINAL, "what has ended never changes"
        assert (record.state, record.round, record.attempts) == (one.state, one.round, len(one.attempts))
        assert record in self.store.list(limit=PLENTY, states=[record.state])
        assert self.store.series(one.id) == one.series()
        self.require_events(record, one)
        attempts = self.store.attempts(one.id)
        told = [(attempt.id, attempt.token, attempt.owner, attempt.exit_reason) for attempt in attempts]
        assert told == [(attempt.id, attempt.token, attempt.owner, attempt.exit_reason) for attempt in one.attempts]
        assert all(attempt.ended_at is not None for attempt in attempts[:-1]), "at most one attempt lives"

    def require_events(self, record: ExperimentRecord, one: Experiment) -> None:
        events = self.store.events(one.id, after=0, limit=1000)
        assert [event.id for event in events] == list(range(1, record.events + 1))
        assert [event.data["round"] for event in events if event.kind == "round_finished"] == one.told
        states = [State(event.data["state"]) for event in events if event.kind == "state"]
        assert states == one.states
        assert all(new in TRANSITIONS[old] for old, new in pairwise(states))

    def teardown(self) -> None:
        """Everything can be brought to an end and removed."""
        for _, attempt in self.store.live_attempts():
            self.store.finish(attempt.id, attempt.token, state=State.FAILED, reason="x", message="x", result=None)
        for record in self.store.list(limit=PLENTY):
            if record.state not in TERMINAL:
                self.store.request_cancel(record.id)
            self.store.delete(record.id)
        assert self.store.list(limit=1) == []


def refusal_of(call: Callable[[], Any], answers: list[Any] | None = None) -> type[HeronError] | None:
    """The kind of error with which a call is refused; else its answer is appended."""
    try:
        answer = call()
    except (ConflictError, NotFoundError, StaleAttemptError) as error:
        return type(error)
    if answers is not None:
        answers.append(answer)
    return None


def test_any_sequence_of_steps_leaves_the_database_as_the_model_says(store: Store) -> None:
    chosen = settings(
        max_examples=EXAMPLES or 20,
        stateful_step_count=25,
        deadline=None,
        derandomize=not EXAMPLES,
        # Shrinking a failure takes minutes on a real database: the longer run does it.
        phases=[Phase.generate, *([Phase.shrink] if EXAMPLES else [])],
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(partial(Lifecycle, store), settings=chosen)

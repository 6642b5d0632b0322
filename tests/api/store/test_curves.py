"""Thinned curves: spikes survive, and both databases choose the same points."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.domain.curves import bucket_count
from api.store import Store
from heron_ray.errors import AnswerTooLargeError, NotFoundError

SERIES = ("bytes_up", "loss", "validation_accuracy")


def rounds_finished(values, series="loss", stride=1):
    """Events that leave `values` as a curve, one at every `stride` rounds."""
    return [
        {
            "kind": "round_finished",
            "key": f"round_finished:{series}:{round}",
            "round": round,
            "rounds": 10**6,
            "metrics": {series: value},
        }
        for round, value in zip(itertools.count(1, stride), values)
    ]


def record(store, attempt, events):
    store.record(attempt.id, attempt.token, events=events)


@pytest.fixture
def run(store, start_run):
    """A running experiment's id and attempt."""
    experiment, attempt = start_run(store)
    return experiment.id, attempt


values_of_a_curve = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf])), min_size=1, max_size=150
)


@given(values=values_of_a_curve, points=st.integers(10, 60), stride=st.sampled_from([1, 7]))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def check_a_thinned_curve(make_run, values, points, stride):
    answers = []
    for store in make_run.stores:
        id, attempt = make_run(store)
        record(store, attempt, rounds_finished(values, stride=stride))
        answers.append(store.curves.sample([id], points=points)[id]["loss"])
    assert answers[0] == answers[1]
    curve = answers[0]
    kept = list(zip(curve.rounds, curve.values, strict=True))
    whole = [(1 + index * stride, value if math.isfinite(value) else None) for index, value in enumerate(values)]
    assert [point for point in whole if point in set(kept)] == kept
    assert len(kept) <= points
    assert (kept[0], kept[-1]) == (whole[0], whole[-1])
    gaps = sum(value is None for _, value in whole)
    assert (curve.total, curve.not_finite, curve.thinned) == (len(whole), gaps, len(kept) < len(whole))
    if len(whole) <= points:
        assert kept == whole
        return
    count = bucket_count(points, has_gaps=gaps > 0)
    for _, bucket in itertools.groupby(range(len(whole)), key=lambda index: index * count // len(whole)):
        there = [whole[index] for index in bucket]
        stayed = [value for point, value in kept if there[0][0] <= point <= there[-1][0]]
        finite = [value for _, value in there if value is not None]
        assert not finite or {min(finite), max(finite)} <= set(stayed)
        assert (None in stayed) or len(finite) == len(there)


@pytest.fixture
def make_run(empty_postgresql, tmp_path, start_run):
    """Starts experiments in a store of either database; `stores` are the two."""

    def start(store):
        experiment, attempt = start_run(store)
        return experiment.id, attempt

    start.stores = [Store.open(f"sqlite:///{tmp_path}/curves.db"), Store.open(empty_postgresql)]
    yield start
    for store in start.stores:
        store.close()


def test_every_extreme_of_every_piece_stays_and_both_databases_agree(make_run):
    check_a_thinned_curve(make_run)


def test_one_spike_among_many_points_is_seen(store, run):
    id, attempt = run
    values = [0.5] * 3000
    values[1717] = 9.0
    record(store, attempt, rounds_finished(values))
    curve = store.curves.sample([id], points=20)[id]["loss"]
    assert curve.thinned
    assert (curve.rounds[0], curve.rounds[-1]) == (1, 3000)
    assert dict(zip(curve.rounds, curve.values, strict=True))[1718] == 9.0


def test_series_are_chosen_by_name_and_pattern(store, run):
    id, attempt = run
    for series in SERIES:
        record(store, attempt, rounds_finished([1.0, 2.0], series))

    def names(*patterns):
        return list(store.curves.sample([id], points=10, patterns=patterns)[id])

    assert names() == list(SERIES)
    assert names("loss") == ["loss"]
    assert names("*s*") == ["bytes_up", "loss"]
    assert names("bytes_*", "validation_accurac?") == ["bytes_up", "validation_accuracy"]
    assert names("nothing") == []


def test_only_the_rounds_asked_for_are_sampled_and_counted(store, run):
    id, attempt = run
    record(store, attempt, rounds_finished([float(round) for round in range(1, 101)]))
    curve = store.curves.sample([id], points=10, first_round=31, last_round=40)[id]["loss"]
    assert list(curve.rounds) == list(range(31, 41))
    assert (curve.total, curve.thinned) == (10, False)


@pytest.mark.parametrize("stride", [1, 3])
def test_running_sums_are_those_of_every_row_at_the_rounds_that_stay(store, run, stride):
    id, attempt = run
    record(store, attempt, rounds_finished([float(value) for value in range(1000)], "bytes_up", stride))
    (curve,) = store.curves.running_sums(id, ["bytes_up"], points=30).values()
    assert len(curve.rounds) <= 30
    sums = {1 + stride * index: total for index, total in enumerate(itertools.accumulate(range(1000)))}
    assert {round: sums[round] for round in curve.rounds} == dict(zip(curve.rounds, curve.values, strict=True))
    assert (curve.rounds[0], curve.rounds[-1]) == (1, 1 + stride * 999)


def test_pages_bring_every_point_once_in_order(store, run, monkeypatch):
    monkeypatch.setattr("api.store.curves.PAGE", 7)
    id, attempt = run
    for series in SERIES:
        record(store, attempt, rounds_finished([float(value) for value in range(20)], series))
    pages = list(store.curves.pages(id))
    assert max(map(len, pages)) == 7
    assert [point for page in pages for point in page] == [
        (series, round, float(round - 1)) for series in SERIES for round in range(1, 21)
    ]


def test_pages_of_an_experiment_that_is_deleted_meanwhile_break_off(store, run, monkeypatch):
    monkeypatch.setattr("api.store.curves.PAGE", 7)
    id, attempt = run
    record(store, attempt, rounds_finished([0.0] * 20))
    pages = store.curves.pages(id)
    next(pages)
    store.finish(attempt.id, attempt.token, state="FAILED", reason="diverged", message=None, result=None)
    store.delete(id)
    with pytest.raises(NotFoundError):
        list(pages)


def test_counting_ends_where_it_is_told_to(store, run):
    id, attempt = run
    record(store, attempt, rounds_finished([0.0] * 20))
    assert [store.curves.count(id, up_to=most) for most in (7, 100)] == [7, 20]


def test_what_would_be_too_many_points_is_refused_with_the_way_out(store, run):
    id, attempt = run
    record(store, attempt, rounds_finished([0.0] * 50))
    with pytest.raises(AnswerTooLargeError, match="would be 20 points, and 19 are the most") as refused:
        store.curves.sample([id], points=20, at_most=19)
    assert "fewer" in refused.value.hint


def test_an_experiment_that_does_not_exist_is_named(store):
    with pytest.raises(NotFoundError, match="'nobody'"):
        store.curves.sample(["nobody"], points=10)

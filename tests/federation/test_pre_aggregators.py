"""Pre-aggregators: their formulas, their order, and what they do to the rule after them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_ray.federation.registry import PRE_AGGREGATORS
from heron_ray.seeds import generator
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.vectors import Float32Array
from tests.conftest import MakeSpec, require_refusal
from tests.federation.cohorts import BEFORE, LIES, SECTIONS, N, bundle, join, parse

SEEDS = st.integers(0, 2**32)


def before(*steps: dict[str, Any], kind: str = "mean", **fields: Any) -> dict[str, Any]:
    return {"kind": kind, **fields, "before": list(steps)}


def apply(step: dict[str, Any], updates: Float32Array, *, seed: int = 0) -> Float32Array:
    section = parse(before(step)).before[0]
    return np.stack(PRE_AGGREGATORS[section.kind](section).apply(list(updates), generator(seed)))


def test_every_registered_pre_aggregator_is_among_those_tested() -> None:
    assert {step["kind"] for step in BEFORE} == set(PRE_AGGREGATORS)


@given(seed=SEEDS, f=st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_nearest_neighbour_mixing_takes_the_mean_of_the_nearest(seed: int, f: int) -> None:
    updates = bundle(seed, f=2).astype(np.float64)
    expected = []
    for update in updates:
        nearest = np.argsort(np.linalg.norm(updates - update, axis=1), kind="stable")[: N - f]
        expected.append(updates[nearest].mean(axis=0))
    np.testing.assert_allclose(apply({"kind": "nnm", "f": f}, updates.astype(np.float32)), expected, rtol=1e-5, atol=1e-5)


@given(seed=SEEDS, n=st.integers(1, 9), s=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_buckets_part_the_cohort(seed: int, n: int, s: int) -> None:
    updates = np.eye(n, dtype=np.float32)
    buckets = apply({"kind": "bucketing", "s": s}, updates, seed=seed)
    members = buckets > 0
    assert len(buckets) == -(-n // s)
    assert members.sum(axis=0).tolist() == [1] * n
    assert sorted(members.sum(axis=1).tolist(), reverse=True)[: n // s] == [min(s, n)] * (n // s)
    np.testing.assert_allclose(buckets.sum(axis=1), 1, rtol=1e-6)


def test_another_round_has_other_buckets() -> None:
    updates = np.eye(9, dtype=np.float32)
    found = {apply({"kind": "bucketing", "s": 3}, updates, seed=seed).tobytes() for seed in range(5)}
    assert len(found) == 5


@given(seed=SEEDS, c=st.sampled_from([0.5, 30.0, 1e6]))
@settings(max_examples=20, deadline=None)
def test_static_clipping_shortens_what_is_longer_and_turns_nothing(seed: int, c: float) -> None:
    updates = bundle(seed, f=2)
    lengths = np.linalg.norm(updates, axis=1)
    clipped = apply({"kind": "static_clipping", "c": c}, updates)
    np.testing.assert_allclose(clipped, updates * np.minimum(1, c / lengths)[:, None], rtol=1e-5)
    assert np.array_equal(clipped[lengths <= c], updates[lengths <= c])


@given(seed=SEEDS, n=st.integers(1, 12), data=st.data())
@settings(max_examples=40, deadline=None)
def test_adaptive_clipping_shortens_the_longest_to_the_next(seed: int, n: int, data: st.DataObject) -> None:
    f = data.draw(st.integers(0, (n - 1) // 2))
    updates = bundle(seed, n=n, f=f)
    lengths = np.sort(np.linalg.norm(updates, axis=1))
    clipped = apply({"kind": "arc", "f": f}, updates)
    most = lengths[n - 1 - 2 * f * (n - f) // n]
    np.testing.assert_allclose(np.linalg.norm(clipped, axis=1), np.minimum(np.linalg.norm(updates, axis=1), most), rtol=1e-5)


@pytest.mark.parametrize("step", BEFORE, ids=str)
@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_every_rule_takes_every_pre_aggregator_that_leaves_it_what_it_needs(
    section: dict[str, Any], step: dict[str, Any]
) -> None:
    whole = {**section, "before": [step]}
    knows_clients = section["kind"] in ("monna", "fools_gold") and step["kind"] == "bucketing"
    if knows_clients or section["kind"] == "fltrust":
        assert parse(whole).fault(40) is not None
        return
    updates = bundle(4, n=40, f=1)
    if section["kind"] == "smea":
        updates = updates[-11:]
    joined = join(whole, updates, seed=5)
    vectors = apply(step, updates, seed=5)
    if section["kind"] not in ("sign_guard", "dnc"):
        assert np.array_equal(joined, join(section, vectors))
    assert np.isfinite(joined).all()


def test_steps_are_applied_in_their_order() -> None:
    updates = bundle(1, n=12, f=3)
    clip, mix = {"kind": "static_clipping", "c": 2.0}, {"kind": "nnm", "f": 3}
    assert np.array_equal(join(before(clip, mix), updates), join({"kind": "mean"}, apply(mix, apply(clip, updates))))
    assert not np.allclose(join(before(clip, mix), updates), join(before(mix, clip), updates))


@pytest.mark.parametrize("lie", LIES, ids=str)
@pytest.mark.parametrize("step", [{"kind": "nnm", "f": 2}, {"kind": "arc", "f": 2}], ids=str)
@pytest.mark.parametrize("kind", ["median", "trimmed_mean", "krum"])
def test_before_a_robust_rule_f_byzantine_clients_do_no_harm(kind: str, step: dict[str, Any], lie: float) -> None:
    updates = bundle(0, n=12)
    updates[[2, 5]] = lie
    honest = np.delete(updates, [2, 5], axis=0)
    joined = join(before(step, kind=kind, **({} if kind == "median" else {"f": 2})), updates)
    width = np.ptp(honest, axis=0)
    assert np.all(joined >= np.minimum(honest.min(axis=0), 0) - width)
    assert np.all(joined <= np.maximum(honest.max(axis=0), 0) + width)


def test_updates_stay_as_they_were() -> None:
    updates = bundle(0, f=2)
    kept = updates.copy()
    for step in BEFORE:
        join(before(step), updates)
    assert np.array_equal(updates, kept)


def test_a_spec_without_steps_has_the_canonical_form_it_always_had(make_spec: MakeSpec) -> None:
    assert make_spec("aggregation={kind: krum, f: 1}").canonical()["aggregation"] == {"kind": "krum", "f": 1, "m": 1}
    plain, written = make_spec(), make_spec("aggregation.before=[]")
    assert plain.spec_hash() == written.spec_hash()
    assert plain.spec_hash() != make_spec("aggregation.before=[{kind: nnm, f: 1}]").spec_hash()


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        (
            ["aggregation.before=[{kind: nnm, f: 3}]"],
            "aggregation.before.0.f",
            "nnm with f=3 needs at least 7 vectors .* not 6",
        ),
        (["aggregation.before=[{kind: arc, f: 3}]"], "aggregation.before.0.f", "arc with f=3 needs at least 7"),
        (["aggregation.before=[{kind: bucketing, s: 7}]"], "aggregation.before.0.s", "at most 6"),
        (
            ["aggregation.before=[{kind: bucketing, s: 2}, {kind: nnm, f: 2}]"],
            "aggregation.before.1.f",
            "needs at least 5 vectors .* not 3",
        ),
        (
            ["aggregation={kind: trimmed_mean, f: 2, before: [{kind: bucketing}]}"],
            "aggregation.f",
            "at least 5 clients .*3 vectors are left of 6 clients",
        ),
        (
            ["aggregation={kind: fools_gold, before: [{kind: bucketing}]}"],
            "aggregation.before.0.kind",
            "bucketing joins several",
        ),
        (["aggregation={kind: mean, weights: samples, before: [{kind: arc, f: 1}]}"], "aggregation.weights", "uniform"),
        (["aggregation.before=[{kind: static_clipping, c: 0}]"], "aggregation.before.0.c", "greater than 0"),
        (["aggregation.before=[{kind: nmm, f: 1}]"], "aggregation.before.0.kind", "did you mean 'nnm'"),
        (["aggregation.before=[{kind: nnm, s: 1, f: 1}]"], "aggregation.before.0.s", "valid here: f, kind"),
        (["aggregation={kind: bulyan, f: 1}"], "aggregation.f", "at least 7 clients .4 f . 3 <= n., not 6"),
        (["aggregation={kind: mda, f: 3}"], "aggregation.f", "at least 7 clients"),
        (["aggregation={kind: mda, f: 21}", "clients.count=99"], "aggregation.f", "less than or equal to 20"),
        (["aggregation={kind: smea, f: 3}"], "aggregation.f", "at least 7 clients"),
        (["aggregation={kind: smea, f: 9}", "clients.count=30"], "aggregation.f", "14307150 subsets.*use caf"),
        (["aggregation={kind: monna, f: 1, trusted: 6}"], "aggregation.trusted", "at most 5"),
        (["aggregation={kind: monna, f: 1}", "clients.per_round=4"], "aggregation.kind", "set clients.per_round"),
        (["aggregation={kind: caf, f: 3}"], "aggregation.f", "caf with f=3 needs a cohort of at least 7"),
        (["aggregation={kind: dnc, f: 3}"], "aggregation.f", "dnc with f=3"),
        (["aggregation={kind: meamed, f: 3}"], "aggregation.f", "meamed with f=3"),
        (["aggregation={kind: norm_bounding}"], "aggregation.max_norm", "required"),
    ],
)
def test_what_cannot_work_is_refused_by_path_with_the_way_out(overrides: list[str], path: str, words: str) -> None:
    require_refusal(overrides, path, words)


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_memory_is_counted_for_what_a_rule_holds(section: dict[str, Any]) -> None:
    spec: AggregationSpec = parse(section)
    held = {"mean": 0, "norm_bounding": 0, "fools_gold": 10 + 30, "fltrust": 10 + 1}.get(spec.kind, 10)
    assert spec.vectors_held(10, 30) == held
    assert parse({**section, "before": [{"kind": "static_clipping"}]}).vectors_held(10, 30) == held + 20

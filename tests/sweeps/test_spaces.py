from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from heron_ray.errors import SpecError
from heron_ray.spec import read_spec_file
from heron_ray.spec.sweep import SweepSpec
from tune_spaces import SPACES, plan_sweep, require_fit, resolve_space, trial_spec

BASE = read_spec_file(Path(__file__).parents[2] / "experiments" / "digits-heron.yaml")
NAMES = (
    "mu",
    "probes",
    "auxiliary",
    "dirichlet",
    "local_steps",
    "upload_every",
    "cut_width",
    "optimizer",
    "byzantine",
    "joint",
)


def sweep(space, **fields):
    return SweepSpec(space=resolve_space(space), **{"samples": 8, **fields})


def refusal(space, base=BASE, **fields):
    with pytest.raises(SpecError) as caught:
        require_fit(sweep(space, **fields), base)
    return caught.value


def test_the_named_spaces_are_those_of_the_paper_and_the_joint_one():
    assert tuple(SPACES) == NAMES
    joint = SPACES["joint"]
    assert set(joint.axes) == {path for name in NAMES[:6] for path in SPACES[name].axes}


@pytest.mark.parametrize("name", NAMES)
def test_a_named_space_fits_the_digits_experiment_and_gives_a_reason_for_each_range(name):
    require_fit(sweep(name), BASE)
    assert SPACES[name].description
    assert all(len(axis.reason) > 30 for axis in SPACES[name].axes.values())


def test_an_unknown_space_is_named_with_the_nearest_one():
    (issue,) = refusal("dirichlett").issues
    assert issue.suggestion == "dirichlet"
    assert "upload_every" in issue.message


def test_a_path_that_leads_nowhere_is_named_with_the_nearest_one():
    (issue,) = refusal({"method.zeroth_order.muu": {"kind": "loguniform", "low": 1e-4, "high": 1e-2}}).issues
    assert issue.path == "space.method.zeroth_order.muu"
    assert issue.suggestion == "method.zeroth_order.mu"


def test_both_ends_of_an_axis_must_be_valid_in_the_spec():
    issues = refusal({"method.zeroth_order.mu": {"kind": "uniform", "low": -1, "high": 20}}).issues
    assert {issue.path for issue in issues} == {"method.zeroth_order.mu"}
    assert ["-1.0" in str(issues), "20.0" in str(issues)] == [True, True]


def test_a_space_over_a_part_that_the_spec_does_not_have_is_refused():
    base = read_spec_file(Path(__file__).parents[2] / "experiments" / "digits-cse_fsl.yaml")
    error = refusal("mu", base)
    assert "zeroth_order" in error.message
    assert "'mu'" in error.hint


@pytest.mark.parametrize(
    ("axis", "told"),
    [
        ({"kind": "integer", "low": 5, "high": 5}, "5 is not below the upper bound 5"),
        ({"kind": "integer", "low": 0, "high": 5, "log": True}, "begins at 1"),
        ({"kind": "loguniform", "low": 0, "high": 1}, "greater than 0"),
        ({"kind": "choice", "values": []}, "at least 1"),
        ({"kind": "normal"}, "normal"),
        ({"kind": "uniform", "low": 1, "high": float("nan")}, "finite"),
        (3, "object"),
    ],
)
def test_an_axis_that_makes_no_sense_is_refused_by_its_path(axis, told):
    with pytest.raises(SpecError) as caught:
        resolve_space({"rounds": axis})
    (issue,) = caught.value.issues
    assert issue.path.startswith("space.rounds")
    assert told in issue.message


@pytest.mark.parametrize("space", [None, 3, ["mu"], {}])
def test_what_is_no_space_is_refused(space):
    with pytest.raises(SpecError, match="space"):
        resolve_space(space)


def test_a_grid_that_cannot_reach_both_ends_of_every_axis_says_how_many_samples_it_needs():
    assert "at least 64 samples, not 63" in refusal("joint", samples=63, search="grid").message
    require_fit(sweep("joint", samples=64, search="grid"), BASE)


MOMENTUM = {"kind": "choice", "values": [0.0, 0.9]}
KIND = {"kind": "choice", "values": ["sgd", "adam"]}


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ({"method.client_optimizer.kind": ["rmsprop"]}, "it never is"),
        ({"method.server_optimizer.kind": ["sgd"]}, "neither given nor an axis before it"),
        ({"method.client_optimizer.kind": []}, "at least 1"),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(when, told):
    axes = {"method.client_optimizer.kind": KIND, "method.client_optimizer.momentum": {**MOMENTUM, "when": when}}
    with pytest.raises(SpecError, match=told):
        resolve_space(axes)


def test_a_condition_may_hang_on_a_field_that_is_given():
    space = resolve_space(
        {
            "given": {"method.client_optimizer.kind": "adam"},
            "axes": {
                "method.client_optimizer.lr": {"kind": "uniform", "low": 0.1, "high": 1},
                "method.client_optimizer.beta1": {
                    "kind": "uniform",
                    "low": 0.1,
                    "high": 0.9,
                    "when": {"method.client_optimizer.kind": ["adam"]},
                },
            },
        }
    )
    assert "method.client_optimizer.beta1" in space.present(dict.fromkeys(space.axes, 0.5))
    require_fit(SweepSpec(space=space, samples=3), BASE)


def test_a_conditional_axis_is_checked_where_it_is_there():
    bad = {"kind": "choice", "values": [0.0, 1.5], "when": {"method.client_optimizer.kind": ["sgd"]}}
    issues = refusal({"method.client_optimizer.kind": KIND, "method.client_optimizer.momentum": bad}).issues
    assert [issue.path for issue in issues] == ["method.client_optimizer.momentum"]


def test_a_field_cannot_be_given_and_varied():
    with pytest.raises(SpecError, match="both given and varied"):
        resolve_space({"given": {"rounds": 3}, "axes": {"rounds": {"kind": "integer", "low": 1, "high": 5}}})


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"objectives": [{"series": "test_accuracy"}]}, "decides nothing"),
        ({"objectives": [{"series": "costs.client_peak_bytes", "reduce": "sum"}]}, "no rounds to reduce"),
        ({"objectives": []}, "at least 1"),
        ({"objectives": [{"series": "bytes_up"}] * 2}, "the same"),
        ({"objectives": [{"series": "bytes_up", "reduce": "sum"}], "scheduler": "asha"}, "no max sum of bytes_up yet"),
        ({"warm_start": ["x"]}, "learns nothing"),
        ({"budget": {"rounds": 0}}, "greater than or equal to 1"),
        ({"budget": {"euros": 7}}, "xtra"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan, told):
    with pytest.raises(SpecError, match=told):
        plan_sweep("mu", {"samples": 3, **plan})


def test_seeds_and_an_axis_over_the_seed_exclude_each_other():
    space = {"seed": {"kind": "choice", "values": [1, 2]}}
    with pytest.raises(SpecError, match="leave seed out"):
        plan_sweep(space, {"samples": 3, "seeds": 2})


def test_what_a_space_sets_comes_before_its_axes():
    spec = trial_spec({**BASE, "partition": {"kind": "iid"}}, SPACES["dirichlet"], {"partition.alpha": 0.25})
    assert (spec.partition.kind, spec.partition.alpha) == ("dirichlet", 0.25)


def test_the_spaces_are_quick_to_import():
    program = "import sys, tune_spaces; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ray", "torch", "numpy"} & set(loaded)

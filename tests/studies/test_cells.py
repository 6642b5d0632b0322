"""The experiments a study comes to, and what is wrong with a study before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from heron_ray.errors import SpecError
from heron_ray.studies import expand, parse_study, read_study
from tests.conftest import BASE
from tests.studies.conftest import MakeStudy, plain


def f_axis(*values: int, path: str = "aggregation.f?") -> dict[str, Any]:
    return {**plain()["axes"], "f": {"kind": "path", "path": path, "values": list(values)}}


def test_cells_are_the_product_of_the_labels_and_the_seeds_come_last(make_study: MakeStudy) -> None:
    cells = expand(make_study())
    assert [tuple(cell.labels.values()) for cell in cells] == [
        (attack, rule, "6", seed) for attack in ("none", "flip") for rule in ("mean", "krum") for seed in ("0", "1")
    ]
    assert list(cells[0].labels) == ["attack", "rule", "clients", "seed"]


def test_a_cell_is_the_base_with_what_is_given_and_what_its_labels_set(make_study: MakeStudy) -> None:
    cell = next(
        cell for cell in expand(make_study(given={"rounds": 9})) if list(cell.labels.values()) == ["flip", "krum", "6", "1"]
    )
    assert cell.spec is not None
    assert (cell.spec.rounds, cell.spec.seed, cell.spec.aggregation.kind, cell.spec.clients.count) == (9, 1, "krum", 6)
    assert cell.spec.attack is not None
    assert cell.spec.name == "small: attack=flip, rule=krum, clients=6, seed=1"
    assert cell.key == cell.spec.trajectory_hash()


def test_a_field_with_a_question_mark_is_set_only_where_there_is_one(make_study: MakeStudy) -> None:
    cells = expand(make_study(axes=f_axis(0, 1), seeds=[0]))
    by_rule = {rule: [cell for cell in cells if cell.labels["rule"] == rule] for rule in ("mean", "krum")}
    assert [cell.spec.aggregation.f for cell in by_rule["krum"]] == [0, 1, 0, 1]
    assert len({cell.key for cell in by_rule["mean"]}) == 2, "the mean has no f: both values are one experiment"


def test_without_a_question_mark_every_cell_must_have_the_field(make_study: MakeStudy) -> None:
    with pytest.raises(SpecError, match="unknown field") as caught:
        expand(make_study(axes=f_axis(0, 1, path="aggregation.f")))
    assert {issue.path.split(", clients")[0] for issue in caught.value.issues} == {
        "cell attack=none, rule=mean",
        "cell attack=flip, rule=mean",
    }


def test_impossible_cells_are_all_named_with_the_reason_before_anything_runs(make_study: MakeStudy) -> None:
    with pytest.raises(SpecError) as caught:
        expand(make_study(axes=f_axis(1, 4)))
    assert [issue.path for issue in caught.value.issues] == [
        "cell attack=none, rule=krum, clients=6, f=4",
        "cell attack=flip, rule=krum, clients=6, f=4",
    ]
    assert "krum with f=4 needs a cohort of at least 11 clients" in caught.value.issues[0].message
    assert caught.value.hint is not None
    assert "impossible: skip" in caught.value.hint


def test_impossible_cells_can_be_left_out_and_keep_their_reason(make_study: MakeStudy) -> None:
    cells = expand(make_study(axes=f_axis(1, 4), impossible="skip"))
    left_out = [cell for cell in cells if cell.spec is None]
    assert len(cells) == 16
    assert len(left_out) == 4
    assert all("aggregation.f: krum with f=4" in (cell.impossible or "") and cell.key is None for cell in left_out)


def test_only_keeps_the_labels_that_are_wanted(make_study: MakeStudy) -> None:
    cells = expand(make_study(), {"rule": ["krum"], "seed": ["1"]})
    assert [tuple(cell.labels.values()) for cell in cells] == [("none", "krum", "6", "1"), ("flip", "krum", "6", "1")]
    with pytest.raises(SpecError, match="no such axis; it has attack, rule, clients, seed"):
        expand(make_study(), {"rules": ["krum"]})
    with pytest.raises(SpecError, match=r"axes.rule: no label 'kurm'; there are: mean, krum"):
        expand(make_study(), {"rule": ["kurm"]})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"axes": {"a": {"kind": "path", "path": "aggregation.ff", "values": [1]}}},
            "axes.a: aggregation.ff: no spec has this",
        ),
        ({"given": {"round": 3}}, "given: round: no spec has this field; did you mean 'rounds'"),
        ({"axes": {"seed": {"kind": "path", "path": "seed", "values": [1]}}}, "seeds have a field of their own"),
        ({"seeds": [1, 1]}, "seeds: a seed occurs twice"),
        ({"figures": []}, "figures: .*at least 1 item"),
        ({"figures": [{"kind": "bands", "x": "alpha", "lines": "rule"}]}, "figures.0: there is no axis 'alpha'"),
        ({"figures": [{"kind": "bands", "x": "rule", "lines": "rule"}]}, "must be different axes"),
        ({"colour": "red"}, "colour: no study has this field"),
        (
            {"seeds": list(range(1000)), "axes": {"a": {"kind": "path", "path": "rounds", "values": list(range(1, 100))}}},
            "198,000",
        ),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    study = plain(**changes)
    if "axes" in changes and "figures" not in changes:
        study["figures"] = [{"kind": "bands", "x": next(iter(changes["axes"])), "lines": "rule"}]
        study["axes"] = {**changes["axes"], "rule": plain()["axes"]["rule"]}
    with pytest.raises(SpecError, match=words):
        parse_study(study)


def test_the_base_may_be_a_file_beside_the_study_and_overrides_come_after_what_is_given(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("rounds: 5\ndata: {kind: digits}\n", encoding="utf-8")
    (tmp_path / "study.yaml").write_text(
        "base: base.yaml\ngiven: {rounds: 6}\naxes: {alpha: {kind: path, path: partition.alpha, values: [1, 2]},"
        " rounds: {kind: path, path: rounds, values: [7]}}\nfigures: [{kind: bands, x: alpha, lines: rounds}]\n",
        encoding="utf-8",
    )
    study = read_study(tmp_path / "study.yaml", ["rounds=8", "clients.count=3"])
    assert study.base == {"rounds": 5, "data": {"kind": "digits"}}
    assert study.given == {"rounds": 8, "clients.count": 3}
    with pytest.raises(SpecError, match=r"partition.kind: Field required"):
        expand(study)


def test_shipped_studies_are_valid_and_small_enough_to_be_run_here() -> None:
    files = sorted((Path(__file__).parents[2] / "experiments" / "studies").glob("*.yaml"))
    names = ["alpha", "auxiliary", "auxiliary_path", "byzantine", "cifar10_resnet", "clients", "cut_width", "mu"]
    names += ["participation", "probes", "scalar_path", "smashed_path"]
    assert [file.stem for file in files] == names
    for file in files:
        cells = [cell for cell in expand(read_study(file)) if cell.spec is not None]
        assert len({cell.key for cell in cells}) == len(cells) <= 144


def test_the_base_itself_is_not_changed(make_study: MakeStudy) -> None:
    study = make_study()
    expand(study)
    assert study.base["clients"] == BASE["clients"]

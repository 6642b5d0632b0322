import json
from pathlib import Path

import pytest

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec import ExperimentSpec, apply_overrides, load_spec, parse_override, parse_spec, parse_yaml
from tests.conftest import BASE


def issues(*overrides: str) -> list[SpecIssue]:
    mapping, _ = apply_overrides(BASE, [parse_override(text) for text in overrides])
    with pytest.raises(SpecError) as caught:
        parse_spec(mapping)
    return caught.value.issues


@pytest.mark.parametrize(
    ("override", "path", "word"),
    [
        ("rounds=many", "rounds", "valid integer"),
        ("rounds=true", "rounds", "valid integer"),
        ("rounds=0", "rounds", "greater than or equal to 1"),
        ("rounds=.inf", "rounds", "valid integer"),
        ("method.zeroth_order.mu=-1", "method.zeroth_order.mu", "greater than 0"),
        ("method.zeroth_order.mu=.nan", "method.zeroth_order.mu", "finite"),
        ("partition.alpha=0", "partition.alpha", "greater than or equal to"),
        ("model.front=[8, wide]", "model.front.1", "valid integer"),
        ("model.front=[]", "model.front", "at least 1"),
        ("clients.per_round=7", "clients.per_round", "clients.count=6"),
        ("model.cut=9", "model.cut", "beyond the last layer"),
        ("method={}", "method.kind", "required"),
        ("method.client_optimizer=null", "method.client_optimizer", "an object"),
    ],
)
def test_a_fault_is_named_by_its_dotted_path(override: str, path: str, word: str) -> None:
    (issue,) = issues(override)
    assert issue.path == path
    assert word in issue.message


@pytest.mark.parametrize(
    ("override", "path", "suggestion"),
    [
        ("method.zeroth_oder.mu=1", "method.zeroth_oder", "zeroth_order"),
        ("partition.alfa=1", "partition.alfa", "alpha"),
        ("method.kind=herron", "method.kind", "heron"),
        ("data.kind=digit", "data.kind", "digits"),
        ("rouns=3", "rouns", "rounds"),
        ("method.zeroth_order.direction=spher", "method.zeroth_order.direction", "sphere"),
    ],
)
def test_a_misspelt_name_gets_the_nearest_valid_one(override: str, path: str, suggestion: str) -> None:
    (issue,) = issues(override)
    assert (issue.path, issue.suggestion) == (path, suggestion)


def test_every_fault_is_reported_at_once() -> None:
    assert {issue.path for issue in issues("rounds=0", "seed=-1", "colour=red")} == {"rounds", "seed", "colour"}


def test_numbers_may_be_written_as_in_json() -> None:
    assert parse_yaml("{a: 1e-3, b: -2E4, d: '1e-3', e: 12}") == {
        "a": 0.001,
        "b": -20000.0,
        "d": "1e-3",
        "e": 12,
    }


@pytest.mark.parametrize("text", ["", "- a", "just text", "{a: [}", "1: 2"])
def test_a_file_that_holds_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"spec\.yaml"):
        load_spec(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml"):
        load_spec(tmp_path / "nowhere.yaml")


def test_yaml_cannot_construct_objects() -> None:
    with pytest.raises(SpecError):
        parse_yaml("!!python/object/apply:os.system ['true']")


def test_a_spec_from_a_newer_schema_says_to_upgrade() -> None:
    with pytest.raises(SpecError, match="upgrade heron-ray"):
        parse_spec({**BASE, "schema_version": 99})


def test_an_override_needs_a_value() -> None:
    with pytest.raises(SpecError, match="path=value"):
        parse_override("rounds")


def test_an_override_below_a_plain_value_is_refused() -> None:
    with pytest.raises(SpecError, match="rounds is not a mapping"):
        apply_overrides(BASE, [("rounds.first", 1)])


def test_a_new_kind_keeps_shared_fields_and_says_what_it_drops() -> None:
    mapping, notes = apply_overrides(BASE, [("method.kind", "cse_fsl")])
    spec = parse_spec(mapping)
    assert spec.method.client_optimizer.lr == BASE["method"]["client_optimizer"]["lr"]
    assert notes == ["method.kind=cse_fsl has no 'zeroth_order': dropped method.zeroth_order"]


def test_overrides_leave_the_original_alone() -> None:
    before = json.dumps(BASE)
    apply_overrides(BASE, [("method.zeroth_order.mu", 1.0), ("model.front", [1])])
    assert json.dumps(BASE) == before


def test_overrides_are_validated_once_as_a_whole() -> None:
    mapping, _ = apply_overrides(BASE, [("clients.per_round", 20), ("clients.count", 40)])
    assert parse_spec(mapping).clients.cohort == 20


def test_the_canonical_form_is_the_same_spec() -> None:
    spec = parse_spec(BASE)
    again = parse_spec(spec.canonical())
    assert again == spec
    assert again.spec_hash() == spec.spec_hash()


def test_what_must_not_change_results_is_not_in_the_trajectory_hash() -> None:
    def hashes(*overrides: str) -> tuple[str, str]:
        mapping, _ = apply_overrides(BASE, [parse_override(text) for text in overrides])
        spec = parse_spec(mapping)
        return spec.spec_hash(), spec.trajectory_hash()

    base = hashes()
    for override in ("name=other", "compute.executor=ray", "compute.actors=7", "compute.checkpoint_every=3"):
        changed = hashes(override)
        assert changed[0] != base[0]
        assert changed[1] == base[1]
    for override in ("seed=1", "compute.threads=2", "method.zeroth_order.mu=0.002", "clients.batch_size=8"):
        assert hashes(override)[1] != base[1]


def test_every_field_is_described() -> None:
    schema = ExperimentSpec.model_json_schema()
    objects = [schema, *schema["$defs"].values()]
    undescribed = [
        f"{one['title']}.{name}"
        for one in objects
        for name, field in one.get("properties", {}).items()
        if not field.get("description")
    ]
    assert undescribed == []


@pytest.mark.parametrize("text", ["name: 2024-13-45", "rounds: " + "9" * 5000, "[" * 3000], ids=["date", "digits", "nesting"])
def test_what_yaml_cannot_make_sense_of_is_an_error_of_the_spec(text: str) -> None:
    with pytest.raises(SpecError, match="not valid YAML"):
        parse_yaml(text)


def test_an_error_does_not_send_a_huge_input_back() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec({**BASE, "name": ["x" * 100_000], **{f"unknown{number}": 1 for number in range(10_000)}})
    assert len(str(caught.value)) < 50_000
    assert "more" in str(caught.value)


def test_aliases_that_multiply_are_refused_before_they_are_written_out() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    with pytest.raises(SpecError, match="more than 100,000 values with its aliases written out"):
        parse_yaml("\n".join(lines))
    with pytest.raises(SpecError, match="aliases"):
        parse_yaml("a: &a [*a]")
    assert parse_yaml("a: &a [1]\nb: *a") == {"a": [1], "b": [1]}

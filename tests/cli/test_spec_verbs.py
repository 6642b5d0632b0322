import importlib
import json

import jsonschema
import pytest
import yaml

from heron_ray.spec import load_spec


def test_validate_prints_the_hashes_and_the_whole_spec(heron, spec_file) -> None:
    spec = load_spec(spec_file)[0]
    outcome = heron("validate", spec_file, "--json")
    assert outcome.code == 0
    assert outcome.object == {
        "valid": True,
        "name": "tiny",
        "spec_hash": spec.spec_hash(),
        "trajectory_hash": spec.trajectory_hash(),
        "spec": spec.canonical(),
    }


def test_validate_applies_overrides(heron, spec_file) -> None:
    outcome = heron("validate", spec_file, "--json", "--set", "method.zeroth_order.mu=1e-4", "--set", "name=other")
    assert outcome.object["spec"]["method"]["zeroth_order"]["mu"] == 1e-4
    assert outcome.object["name"] == "other"


def test_an_override_that_drops_a_field_says_so_on_stderr(heron, spec_file) -> None:
    outcome = heron("validate", spec_file, "--json", "--set", "method.kind=frozen_client")
    assert outcome.code == 0
    assert "note: method.kind=frozen_client has no 'client_optimizer'" in outcome.stderr


@pytest.mark.parametrize(
    ("override", "path", "suggestion"),
    [
        ("method.zeroth_ordr.mu=1", "method.zeroth_ordr", "zeroth_order"),
        ("rounds=0", "rounds", None),
        ("rounds=many", "rounds", None),
        ("clients.per_round=3", "clients.per_round", None),
        ("method.kind=herron", "method.kind", "heron"),
        ("rounds", "rounds", None),
    ],
)
@pytest.mark.parametrize("verb", ["validate", "run", "profile", "submit"])
def test_a_bad_spec_is_named_by_path_and_exits_with_2(heron, spec_file, verb, override, path, suggestion) -> None:
    outcome = heron(verb, spec_file, "--set", override, "--json")
    assert outcome.code == 2
    error = outcome.object["error"]
    assert error["code"] == "invalid_spec"
    assert [(issue["path"], issue["suggestion"]) for issue in error["issues"]] == [(path, suggestion)]
    assert f"error: {path}: " in outcome.stderr


def test_every_fault_has_a_line_of_its_own(heron, spec_file) -> None:
    outcome = heron("validate", spec_file, "--set", "rounds=0", "--set", "seed=-1")
    assert [line.split(":")[1].strip() for line in outcome.stderr.splitlines() if line.startswith("error:")] == [
        "seed",
        "rounds",
    ]
    assert outcome.stdout == ""


def test_a_file_that_is_not_there_is_named(heron, tmp_path) -> None:
    outcome = heron("validate", tmp_path / "absent.yaml")
    assert outcome.code == 2
    assert str(tmp_path / "absent.yaml") in outcome.stderr


def test_a_file_that_is_not_yaml_is_named_with_the_line(heron, tmp_path) -> None:
    (tmp_path / "bad.yaml").write_text("name: [1\nrounds: 3\n")
    outcome = heron("validate", tmp_path / "bad.yaml")
    assert outcome.code == 2
    assert "bad.yaml" in outcome.stderr
    assert "line 2" in outcome.stderr


def test_the_schema_accepts_a_spec_and_refuses_an_unknown_field(heron, spec_file) -> None:
    schema = json.loads(heron("schema").stdout)
    spec = yaml.safe_load(spec_file.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(spec, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**spec, "roundz": 1}, schema)


def test_profile_prints_costs_whose_parts_add_up(heron, spec_file) -> None:
    outcome = heron("profile", spec_file, "--json")
    assert outcome.code == 0
    costs = outcome.object
    assert costs["method"] == "heron"
    assert costs["client_flops_per_step"] == 2 * costs["client_macs_per_step"] > 0
    assert sum(costs["client_peak_parts"].values()) == costs["client_peak_bytes"]
    assert set(costs["traffic_per_round_bytes"]) == {"up", "down"}
    assert costs["messages_per_round"] > 0


def test_profile_without_json_is_for_people(heron, spec_file) -> None:
    lines = heron("profile", spec_file).stdout.splitlines()
    assert lines[0].split() == ["method", "heron"]
    assert any(line.startswith("client peak memory") for line in lines)


def test_profile_gives_the_papers_figures_where_the_paper_has_the_method(heron, spec_file) -> None:
    paper = heron("profile", spec_file, "--json").object["paper_convention"]
    assert set(paper) == {"macs_per_step", "peak_mib", "traffic_gib"}
    lines = heron("profile", spec_file).stdout.splitlines()
    assert sum(line.startswith("as the paper counts, ") for line in lines) == 3
    unexplained = heron("profile", spec_file, "--set", "method.kind=cse_fsl").stdout
    assert "as the paper counts, peak memory" in unexplained
    assert "as the paper counts, traffic" not in unexplained
    other = ("profile", spec_file, "--set", "method.kind=frozen_client")
    assert heron(*other, "--json").object["paper_convention"] is None
    assert "as the paper counts" not in heron(*other).stdout


def test_profile_on_a_card_that_is_not_there_says_so(heron, spec_file, monkeypatch) -> None:
    assert heron("profile", spec_file, "--json").object["device_peak_bytes"] is None
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    outcome = heron("profile", spec_file, "--device", "cuda")
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert "error: device: cuda was asked for" in outcome.stderr
    assert "hint: " in outcome.stderr


def test_profile_prints_the_cards_own_peak(heron, spec_file, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    module = importlib.import_module("heron_ray.simulation.profile")  # its name in the package is the function's
    monkeypatch.setattr(module, "_device_peaks", lambda spec: (3 * 2**20, 2**21))
    shown = heron("profile", spec_file, "--device", "cuda").stdout
    assert "card's peak memory" in shown
    assert "of it tracked" in shown
    figures = heron("profile", spec_file, "--device", "cuda", "--json").object
    assert (figures["device_peak_bytes"], figures["device_tracked_bytes"]) == (3 * 2**20, 2**21)

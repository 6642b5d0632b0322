import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from heron_ray.cli.main import main
from tests.studies.conftest import plain
from tests.studies.test_byzfl import config


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code, capsys.readouterr()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(plain(), sort_keys=False), encoding="utf-8")
    return path


def test_a_study_ends_in_tables_and_figures_and_runs_nothing_twice(study, capsys) -> None:
    arguments = ("study", "run", study, "--workers", 1, "--only", "rule=mean", "--only", "seed=0", "--set", "rounds=1")
    code, said = run(capsys, *arguments)
    assert code == 0
    assert said.err.count("SUCCEEDED, server") == 2
    assert "2 SUCCEEDED" in said.out
    out = study.with_suffix(".results")
    assert {path.name for path in out.iterdir()} >= {"cells.csv", "summary.csv", "figure-1-worst_case.html", "cells"}
    code, said = run(capsys, *arguments, "--json")
    assert (code, said.err) == (0, "")
    told = json.loads(said.out)
    assert told["states"] == {"SUCCEEDED": 2}
    assert [cell["labels"]["attack"] for cell in told["cells"]] == ["none", "flip"]


def test_a_dry_run_says_what_it_comes_to(study, capsys) -> None:
    code, said = run(capsys, "study", "run", study, "--dry-run")
    assert (code, said.out) == (0, "8 cells, 8 different experiments, 0 impossible\n")
    assert not study.with_suffix(".results").exists()


def test_bad_usage_and_bad_studies_are_told_before_anything_runs(study, capsys) -> None:
    code, said = run(capsys, "study", "run", study, "--only", "rule")
    assert code == 2
    assert "--only rule=mean,krum" in said.err
    study.write_text(yaml.safe_dump(plain(axes={**plain()["axes"], "f": {"kind": "path", "path": "x.y", "values": [1]}})))
    code, said = run(capsys, "study", "run", study)
    assert code == 2
    assert "axes.f: x.y: no spec has this field" in said.err


def test_a_failed_cell_makes_the_study_fail_after_the_others(study, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    arguments = ("--workers", 1, "--only", "rule=mean", "--only", "seed=0", "--set", "data={kind: mnist, path: gone}")
    code, said = run(capsys, "study", "run", study, *arguments)
    assert code == 1
    assert said.err.count("FAILED") == 2
    assert "2 FAILED" in said.out


def test_a_byzfl_configuration_becomes_a_study_file(capsys, tmp_path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config()), encoding="utf-8")
    code, said = run(capsys, "import", "byzfl", path, "--set", "rounds=3")
    assert code == 0
    assert said.out == f"{tmp_path / 'config.yaml'}: 192 cells\n"
    written = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert written["base"]["rounds"] == 3
    path.write_text(json.dumps(config(attack=[{"name": "Shout"}])), encoding="utf-8")
    code, said = run(capsys, "import", "byzfl", path)
    assert code == 2
    assert "error: attack: Shout has no equivalent" in said.err


def test_the_schema_of_a_study_accepts_it_and_refuses_an_unknown_field(capsys) -> None:
    code, said = run(capsys, "schema", "--study")
    schema = json.loads(said.out)
    assert code == 0
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(plain(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain(), "axis": {}}, schema)

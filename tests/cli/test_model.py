from __future__ import annotations

import json

from tests.cli.conftest import SPEC


def test_the_model_of_a_local_run_is_exported_as_programs_with_their_configuration(heron, spec_file, tmp_path) -> None:
    assert heron("run", spec_file, "--out", tmp_path / "kept").code == 0
    outcome = heron("model", "export", tmp_path / "kept", "-o", tmp_path / "trained", "--json")
    assert outcome.code == 0, outcome.stderr
    names = ("model.safetensors", "model.pt2", "client.pt2", "config.json")
    assert outcome.object == {"files": [str(tmp_path / "trained" / name) for name in names]}
    assert json.loads((tmp_path / "trained" / "config.json").read_text())["name"] == SPEC["name"]


def test_a_folder_without_a_model_is_refused(heron, tmp_path) -> None:
    outcome = heron("model", "export", tmp_path, "-o", tmp_path / "trained")
    assert outcome.code == 2
    assert "does not hold both" in outcome.stderr
    assert not (tmp_path / "trained").exists()

"""`heron pretrain` and `heron assemble`."""

from pathlib import Path

import pytest
import yaml

from tests.language import TEXT, save_nano, text_spec

FEW = ["--steps", "3", "--batch-size", "4", "--lr", "0.01"]


@pytest.fixture
def text_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    save_nano(tmp_path)
    path = tmp_path / "text.yaml"
    path.write_text(yaml.safe_dump(text_spec("compute.executor=local").canonical()), encoding="utf-8")
    assert TEXT
    return path


def test_a_model_is_warmed_up_fine_tuned_by_path_and_put_together(heron, text_file, tmp_path) -> None:
    warmed = heron("pretrain", text_file, *FEW, "-o", tmp_path / "warm", "--json").object
    assert warmed["steps"] == 3
    assert (tmp_path / "warm" / "model.safetensors").is_file()
    again = heron("pretrain", text_file, *FEW, "-o", tmp_path / "warm")
    assert again.code == 2
    assert "already holds files" in again.stderr
    chosen = ["--set", "model.pretrained=warm", "--set", "model.lora={rank: 2}", "--set", "rounds=1"]
    ran = heron("run", text_file, *chosen, "--checkpoint-dir", tmp_path / "kept", "--no-progress")
    assert ran.code == 0, ran.stderr
    assert "perplexity, test" in ran.stdout
    made = heron("assemble", text_file, tmp_path / "kept", *chosen, "-o", tmp_path / "out")
    assert made.code == 0, made.stderr
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    other = heron("assemble", text_file, tmp_path / "kept", "-o", tmp_path / "other")
    assert "belongs to another experiment" in other.stderr


def test_no_other_model_is_warmed_up(heron, spec_file, tmp_path) -> None:
    refused = heron("pretrain", spec_file, "-o", tmp_path / "x")
    assert refused.code == 2
    assert "mlp is no language model" in refused.stderr

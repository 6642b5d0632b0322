"""Language models through the whole machine: every method, resumed or not, costed, warmed up, put together again."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import GPT2LMHeadModel

from heron_ray.errors import SpecError
from heron_ray.methods import make_method
from heron_ray.methods.registry import METHODS
from heron_ray.models import SplitModel, build_model, initial_model
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, Simulation, profile
from heron_ray.simulation.assemble import assemble
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.pretrain import pretrain
from heron_ray.simulation.restore import restore
from heron_ray.spec import ExperimentSpec
from heron_ray.vectors import FlatVector
from tests.conftest import method_overrides, spec_from
from tests.language import BLOCKS, LENGTH, LORA, TEXT, VOCABULARY, WIDTH, save_nano, text_spec

FAST = ["method.client_optimizer={kind: adam, lr: 0.05}", "method.server_optimizer={kind: adam, lr: 0.05}"]
KINDS = sorted(set(METHODS) - {"fedgkt"})


@pytest.fixture(autouse=True)
def nano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GPT2LMHeadModel:
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    return save_nano(tmp_path)


def overrides(kind: str) -> list[str]:
    return [text for text in method_overrides(kind) if not text.startswith("model.lora")]


def restored(spec: ExperimentSpec, checkpoint: Checkpoint) -> SplitModel:
    model = initial_model(spec)
    restore(model, make_method(spec.method), checkpoint)
    return model


def run(spec: ExperimentSpec, **options: Any) -> Any:
    with LocalExecutor() as executor:
        return Simulation(spec, executor, **options).run()


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_fine_tunes_adapters_and_a_resumed_run_is_the_same(tmp_path: Path, kind: str) -> None:
    spec = text_spec(*overrides(kind), LORA, "evaluation.every=1", "compute.checkpoint_every=1")
    events = ListSink()
    straight = run(spec, sink=events)
    half = Checkpointer(tmp_path / "kept")
    asked = iter([False, True])
    assert run(spec, checkpointer=half, should_stop=lambda: next(asked)).state == "CANCELLED"
    assert run(spec, checkpointer=half, resume=True).trajectory_digest == straight.trajectory_digest
    scores = [event.metrics for event in events.events if hasattr(event, "metrics")]
    assert len(scores) == 2
    for series in ("test", "auxiliary_test", "validation"):
        # Clients of fsl_sage have heads of their own: a mean of exponentials is no less than that of the mean.
        expected = math.exp(scores[-1][f"{series}_loss"])
        assert scores[-1][f"{series}_perplexity"] == pytest.approx(expected, rel=1e-4 if kind == "fsl_sage" else 1e-12)
    assert straight.to_dict()["perplexity"]["test"] == scores[-1]["test_perplexity"]


@pytest.mark.parametrize("kind", ["heron", "cse_fsl", "fsl_sage", "fedavg"])
def test_the_whole_model_can_be_trained_as_well(kind: str) -> None:
    spec = text_spec(*overrides(kind), "rounds=1")
    assert run(spec).trajectory_digest == run(spec).trajectory_digest


@pytest.mark.parametrize("kind", ["cse_fsl", "split_lora", "fedavg", "heron"])
def test_fine_tuning_lowers_perplexity(kind: str) -> None:
    rates = {"heron": "0.02"}
    more = ["rounds=12", "clients.local_steps=4", f"method.client_optimizer={{kind: adam, lr: {rates.get(kind, '0.01')}}}"]
    if kind != "fedavg":
        more.append("method.server_optimizer={kind: adam, lr: 0.01}")
    events = ListSink()
    run(text_spec(*overrides(kind), LORA, *more, "evaluation.every=1"), sink=events)
    curve = [event.metrics["validation_perplexity"] for event in events.events if hasattr(event, "metrics")]
    assert curve[-1] < 0.995 * curve[0]


def test_the_ledger_and_the_profile_know_what_is_sent() -> None:
    spec = text_spec("method.kind=cse_fsl", LORA)
    figures = profile(spec).traffic_per_round_bytes
    adapters = 2 * (WIDTH + 3 * WIDTH) + 2 * (4 * WIDTH + WIDTH)
    tokens = 3 * 2 * 4 * LENGTH
    assert figures["up"] == {
        "smashed": tokens * WIDTH * 4,
        "labels": tokens * 8,
        "front": 3 * adapters * 4,
        "auxiliary": 3 * adapters * 4,
    }
    assert figures["down"] == {"front": 3 * adapters * 4, "auxiliary": 3 * adapters * 4}


def test_macs_are_those_of_the_layers_and_a_client_holds_its_frozen_matrices_once() -> None:
    found = profile(text_spec(LORA, "method.zeroth_order.probes=1"))
    rows = 4 * LENGTH
    block = 12 * WIDTH * WIDTH + 2 * LENGTH * WIDTH + 2 * (WIDTH + 3 * WIDTH) + 2 * (4 * WIDTH + WIDTH)
    assert found.client_macs_per_step == 2 * rows * (2 * block + WIDTH * VOCABULARY)
    assert "activation_cache" not in found.client_peak_parts
    per_block = 12 * WIDTH * WIDTH + 13 * WIDTH
    frozen = (VOCABULARY + 24) * WIDTH + 2 * per_block + 2 * WIDTH
    assert found.client_peak_parts["frozen_base"] == 4 * frozen
    twin = profile(text_spec(LORA, "method.kind=cse_fsl"))
    assert twin.client_peak_parts["activation_cache"] > 0


def moved(spec: ExperimentSpec, tmp_path: Path) -> Any:
    kept = Checkpointer(tmp_path / "kept")
    run(spec, checkpointer=kept)
    return kept.load(kept.paths()[0])


def logits(model: Any) -> torch.Tensor:
    x = torch.arange(2 * LENGTH).view(2, LENGTH)
    with torch.no_grad():
        return model.back(model.front(x)) if hasattr(model, "back") else model(input_ids=x).logits.flatten(0, 1)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("model", ["pretrained: nano", "preset: tiny"])
def test_trained_adapters_load_in_plain_transformers_and_peft(tmp_path: Path, model: str) -> None:
    spec = text_spec(f"model={{kind: gpt2, {model}, cut: 2}}", LORA, "method.kind=cse_fsl", "rounds=1", *FAST)
    checkpoint, folder = moved(spec, tmp_path), tmp_path / "out"
    assemble(spec, checkpoint, folder)
    base = tmp_path / "nano" if "nano" in model else folder / "base"
    plain = GPT2LMHeadModel.from_pretrained(base, local_files_only=True)
    before = logits(plain.eval())
    loaded = PeftModel.from_pretrained(plain, str(folder)).eval()
    assert torch.allclose(logits(loaded), logits(restored(spec, checkpoint)), atol=1e-4)
    assert not torch.allclose(logits(loaded), before, atol=1e-3)


def test_a_wholly_trained_model_loads_in_plain_transformers(tmp_path: Path) -> None:
    spec = text_spec("method.kind=cse_fsl", "rounds=1")
    checkpoint = moved(spec, tmp_path)
    assemble(spec, checkpoint, tmp_path / "out")
    plain = GPT2LMHeadModel.from_pretrained(tmp_path / "out", local_files_only=True).eval()
    assert torch.allclose(logits(plain), logits(restored(spec, checkpoint)), atol=1e-4)
    assert not torch.equal(plain.lm_head.weight, plain.transformer.wte.weight)


def test_what_is_warmed_up_has_learned_and_is_loaded_by_its_path(tmp_path: Path) -> None:
    spec = text_spec()
    losses: list[float] = []
    warmed = pretrain(spec, tmp_path / "warm", steps=30, batch_size=8, lr=0.01, report=lambda _, loss: losses.append(loss))
    assert len(losses) == 30
    assert losses[-1] < 0.8 * losses[0]
    again = pretrain(spec, tmp_path / "again", steps=30, batch_size=8, lr=0.01)
    assert again == warmed
    tuned = text_spec("model.pretrained=warm", "method.kind=frozen_client", "method.server_optimizer={kind: sgd, lr: 1e-9}")
    assert run(tuned).to_dict()["perplexity"]["test"] == pytest.approx(warmed.test_perplexity, rel=1e-4)


def test_only_language_models_are_warmed_up_or_put_together(tmp_path: Path) -> None:
    spec = spec_from("rounds=1")
    with pytest.raises(SpecError, match="no language model"):
        pretrain(spec, tmp_path / "x", steps=1, batch_size=1, lr=0.1)
    with pytest.raises(SpecError, match="no language model"):
        assemble(spec, moved(spec, tmp_path), tmp_path / "x")


def test_a_byzantine_client_and_a_robust_rule_meet_adapters_as_any_vector() -> None:
    spec = text_spec(LORA, "method.kind=cse_fsl", "attack={kind: sign_flip, byzantine: 1}", "aggregation={kind: median}")
    assert run(spec).rounds == 2


def test_the_paper_has_three_clients_and_rank_eight_on_models_of_its_sizes() -> None:
    sizes = {"small": (12, 768), "medium": (24, 1024)}
    for preset, (blocks, width) in sizes.items():
        data = "data={kind: prose, tokenizer: gpt2_tokenizer, length: 64}"
        spec = spec_from(*TEXT, data, f"model={{kind: gpt2, preset: {preset}, cut: {blocks // 4}, lora: {{rank: 8}}}}")
        model = build_model(spec.model, input_shape=(64,), classes=50_257, seed=0, device="meta")
        adapters = FlatVector(model.parts(("front", "back"))).part_sizes
        assert adapters == {"front": blocks // 4 * 8 * 4 * width, "back": (blocks - blocks // 4) * 8 * 4 * width}
    assert BLOCKS == 4

"""GPT-2 in three parts: the same numbers as transformers, adapters by peft, and what cannot be loaded."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from heron_ray.errors import DataError, SpecError
from heron_ray.models import SplitModel, build_model
from heron_ray.spec.gpt2 import Gpt2Lora, Gpt2Model, ServerBlocksAuxiliary
from heron_ray.vectors import FlatVector, constants
from tests.language import BLOCKS, LENGTH, VOCABULARY, WIDTH, save_nano

LORA = Gpt2Lora(rank=2, alpha=4.0, targets=("c_attn", "mlp.c_proj"))


@pytest.fixture
def nano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GPT2LMHeadModel:
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    return save_nano(tmp_path)


def spec_of(cut: int = 1, blocks: int = 1, lora: Gpt2Lora | None = None) -> Gpt2Model:
    auxiliary = ServerBlocksAuxiliary(kind="server_blocks", blocks=blocks)
    return Gpt2Model(kind="gpt2", pretrained="nano", cut=cut, auxiliary=auxiliary, lora=lora)


def build(spec: Gpt2Model, seed: int = 0, device: str = "cpu") -> SplitModel:
    return build_model(spec, input_shape=(LENGTH,), classes=VOCABULARY, seed=seed, device=device)


def sample(batch: int = 3) -> Tensor:
    return torch.randint(VOCABULARY, (batch, LENGTH), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("cut", "lora"), [*((cut, None) for cut in range(BLOCKS + 1)), *((cut, LORA) for cut in range(1, BLOCKS))]
)
def test_the_parts_together_are_the_model_that_transformers_loads(
    nano: GPT2LMHeadModel, cut: int, lora: Gpt2Lora | None
) -> None:
    model, x = build(spec_of(cut, blocks=0, lora=lora)), sample()
    z = model.front(x)
    assert z.shape == (3, LENGTH, WIDTH)
    assert torch.allclose(model.back(z), nano(x).logits.flatten(0, 1), atol=1e-4)


def test_no_token_sees_a_later_one(nano: GPT2LMHeadModel) -> None:
    model, x = build(spec_of()), sample()
    changed = x.clone()
    changed[:, 10:] = (x[:, 10:] + 1) % VOCABULARY
    for head in (model.auxiliary, model.back):
        before, after = (head(model.front(one)).view(3, LENGTH, -1) for one in (x, changed))
        assert torch.equal(before[:, :10], after[:, :10])
        assert not torch.equal(before[:, 10:], after[:, 10:])


@pytest.mark.parametrize("blocks", range(4))
def test_the_auxiliary_head_begins_as_the_main_server_does_and_is_its_own(nano: GPT2LMHeadModel, blocks: int) -> None:
    model, z = build(spec_of(cut=BLOCKS - blocks, blocks=blocks)), torch.randn(2, LENGTH, WIDTH)
    before = model.back(z)
    assert torch.equal(model.auxiliary(z), before)
    for parameter in (*model.auxiliary.parameters(), *model.front.parameters()):
        parameter.data.zero_()
    assert torch.equal(model.back(z), before)


def test_a_preset_depends_on_the_seed_alone_and_leaves_global_draws_alone() -> None:
    spec = Gpt2Model(kind="gpt2", preset="tiny", lora=LORA)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = build(spec, seed=5)
    assert torch.equal(torch.rand(2), expected)
    second, other = build(spec, seed=5), build(spec, seed=6)
    for part in ("front", "auxiliary", "back"):
        one, two, three = (
            [*getattr(model, part).state_dict(keep_vars=True).values(), *constants(getattr(model, part))]
            for model in (first, second, other)
        )
        assert all(map(torch.equal, one, two))
        assert not all(map(torch.equal, one, three))


def test_adapters_alone_are_trained_and_the_frozen_matrices_are_held_once(nano: GPT2LMHeadModel) -> None:
    model = build(spec_of(cut=1, blocks=2, lora=LORA))
    attention, projection = 2 * (WIDTH + 3 * WIDTH), 2 * (4 * WIDTH + WIDTH)
    sizes = FlatVector({"front": model.front, "auxiliary": model.auxiliary, "back": model.back}).part_sizes
    assert sizes == {part: blocks * (attention + projection) for part, blocks in (("front", 1), ("auxiliary", 2), ("back", 3))}
    held = {value.data_ptr(): value.numel() for part in (model.front, model.auxiliary, model.back) for value in constants(part)}
    assert sum(held.values()) == sum(parameter.numel() for parameter in nano.parameters())


def test_probes_move_adapters_and_gradients_reach_them(nano: GPT2LMHeadModel) -> None:
    model, x = build(spec_of(lora=LORA)), sample()
    vector = FlatVector({"front": model.front, "auxiliary": model.auxiliary})
    before = model.auxiliary(model.front(x))
    vector.data.add_(0.1 * torch.randn(len(vector), generator=torch.Generator().manual_seed(1)))
    after = model.auxiliary(model.front(x))
    assert not torch.allclose(before, after)
    gradient = vector.gradient().zero_()
    model.auxiliary(model.front(x)).square().mean().backward()
    assert (gradient != 0).float().mean() > 0.9
    assert not any(value.requires_grad for part in (model.front, model.auxiliary) for value in constants(part))


@pytest.mark.parametrize("lora", [None, LORA])
def test_a_model_without_values_has_the_same_shapes(nano: GPT2LMHeadModel, lora: Gpt2Lora | None) -> None:
    real, meta = build(spec_of(lora=lora)), build(spec_of(lora=lora), device="meta")
    for part in ("front", "auxiliary", "back"):
        ours, theirs = (dict(getattr(model, part).named_parameters()) for model in (real, meta))
        assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}
    assert meta.back(meta.front(sample().to("meta"))).shape == (3 * LENGTH, VOCABULARY)


def test_what_cannot_be_loaded_is_named_with_the_way_out(
    nano: GPT2LMHeadModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(spec: Gpt2Model, *, length: int = LENGTH, classes: int = VOCABULARY) -> SpecError:
        with pytest.raises(SpecError) as caught:
            build_model(spec, input_shape=(length,), classes=classes, seed=0)
        return caught.value

    assert "vocabulary of 257 tokens, and the data have one of 50,257" in str(refused(spec_of(), classes=50_257))
    assert refused(spec_of(cut=BLOCKS + 1)).issues[0].path == "model.cut"
    assert refused(spec_of(cut=BLOCKS, blocks=1)).issues[0].path == "model.auxiliary.blocks"
    assert "do not fit into 24 positions" in str(refused(spec_of(), length=25))
    hub = Gpt2Model(kind="gpt2", pretrained="openai-community/gpt2")
    with pytest.raises(DataError, match=r"no folder 'openai-community/gpt2'.*models are not downloaded"):
        build(hub)
    (tmp_path / "nano" / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"cannot be loaded.*model.safetensors"):
        build(spec_of())
    (tmp_path / "nano" / "config.json").unlink()
    with pytest.raises(DataError, match=r"no file 'nano/config\.json'"):
        build(spec_of())
    (tmp_path / "nano" / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    with pytest.raises(DataError, match="is not a GPT-2 but 'llama'"):
        build(spec_of())
    (tmp_path / "nano" / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"no config\.json of a model"):
        build(spec_of())
    monkeypatch.delenv("HERON_DATA_DIR")
    with pytest.raises(DataError, match="HERON_DATA_DIR is not set"):
        build(spec_of())

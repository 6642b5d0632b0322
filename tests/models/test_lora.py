import pytest
import torch
from torch import nn

from heron_ray.models import build_model
from heron_ray.models.lora import adapt
from heron_ray.spec.lora import LoraSpec
from heron_ray.vectors import FlatVector, constants
from tests.conftest import MakeSpec

LORA = LoraSpec(rank=3, alpha=6.0)


def layers() -> list[tuple[nn.Module, torch.Tensor]]:
    torch.manual_seed(0)
    return [
        (nn.Sequential(nn.Linear(5, 4)), torch.randn(2, 5)),
        (nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, padding=1)), torch.randn(2, 2, 6, 6)),
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_an_adapter_begins_as_nothing_and_then_adds_its_product(number: int) -> None:
    module, x = layers()[number]
    before = module(x)
    adapt(module, LORA, torch.Generator().manual_seed(1))
    assert torch.equal(module(x), before)
    adapted = module[0]  # type: ignore[index]
    adapted.up.weight.data.normal_(generator=torch.Generator().manual_seed(2))
    down, up = adapted.down.weight, adapted.up.weight
    if number == 0:
        expected = before + 2.0 * x @ down.T @ up.T
    else:
        product = torch.einsum("or,rikl->oikl", up[:, :, 0, 0], down)
        expected = before + 2.0 * nn.functional.conv2d(x, product, stride=2, padding=1)
    assert torch.allclose(module(x), expected, atol=1e-5)


IMAGES = "data={kind: parquet, path: x, height: 16, width: 16}"
MODELS = {
    "mlp": ["model.kind=mlp"],
    "cnn": [IMAGES, "model={kind: cnn, front: [4], back: [6], auxiliary: {kind: linear}}"],
    "vit": [IMAGES, "model={kind: vit, width: 8, blocks: 2}"],
    "resnet18": [IMAGES, "model={kind: resnet18, width: 4, auxiliary: {kind: pooled_linear}}"],
}


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_only_adapters_are_trained_and_the_base_stays_what_the_seed_made_it(make_spec: MakeSpec, kind: str) -> None:
    plain_spec = make_spec(*MODELS[kind])
    spec = plain_spec.model_copy(update={"model": plain_spec.model.model_copy(update={"lora": LORA})})
    shape, classes = spec.data.input_shape, spec.data.classes
    plain = build_model(plain_spec.model, input_shape=shape, classes=classes, seed=5)
    adapted = build_model(spec.model, input_shape=shape, classes=classes, seed=5)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(adapted.front(x), plain.front(x), atol=1e-6)
    vector = FlatVector({"front": adapted.front})
    trained = sum(p.numel() for name, p in adapted.front.named_parameters() if ".down." in name or ".up." in name)
    assert len(vector) == trained > 0
    constant = sum(tensor.numel() for tensor in constants(adapted.front))
    assert constant == sum(p.numel() for p in plain.front.parameters())
    with_gradient = vector.gradient().zero_()
    adapted.front(x).sum().backward()
    assert with_gradient.abs().sum() > 0
    assert not any(tensor.requires_grad for tensor in constants(adapted.front))

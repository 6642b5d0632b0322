"""The convolutional network, its cut, and auxiliary heads in order of size."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from heron_ray.errors import SpecError
from heron_ray.methods.registry import METHODS
from heron_ray.models import SplitModel, build_model
from heron_ray.simulation import LocalExecutor, Simulation, profile
from heron_ray.spec.model import CnnModel, MlpModel, ModelSpec
from tests.conftest import MakeSpec, method_overrides, takes

SHAPE = (3, 12, 20)
CNN = {"kind": "cnn", "front": (8, 4), "back": (6,), "head": (5,), "auxiliary": {"kind": "linear"}}
IMAGES = "data={kind: parquet, path: absent, height: 16, width: 16}"
SMALL_CNN = "model={kind: cnn, front: [4, 2], back: [8], auxiliary: {kind: linear}}"


def cnn(**fields: object) -> CnnModel:
    return CnnModel.model_validate({**CNN, **fields})


def build(spec: ModelSpec, *, shape: tuple[int, ...] = SHAPE, seed: int = 0, device: str = "cpu") -> SplitModel:
    return build_model(spec, input_shape=shape, classes=10, seed=seed, device=device)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_each_stage_halves_the_image_and_both_heads_read_the_smashed_data() -> None:
    model = build(cnn())
    z = model.front(torch.randn(7, *SHAPE))
    assert z.shape == (7, 4, 3, 5)
    assert model.auxiliary(z).shape == model.back(z).shape == (7, 10)
    assert parameters(model.front) == (3 * 9 + 1) * 8 + (8 * 9 + 1) * 4
    assert parameters(model.auxiliary) == (4 * 3 * 5 + 1) * 10
    assert parameters(model.back) == (4 * 9 + 1) * 6 + (6 * 1 * 2 + 1) * 5 + (5 + 1) * 10


def test_a_stage_is_a_convolution_then_relu_then_pooling() -> None:
    model = build(cnn(front=(8,), back=()))
    x = torch.randn(3, *SHAPE)
    weight, bias = model.front.parameters()
    expected = functional.max_pool2d(functional.conv2d(x, weight, bias, padding=1).relu(), 2)
    # Torch convolves another layout by another kernel, on some processors with other last bits.
    assert torch.allclose(model.front(x), expected, atol=1e-6)
    assert (expected == 0).any()


def test_moving_the_cut_changes_neither_the_network_nor_its_initial_values() -> None:
    x = torch.randn(2, *SHAPE)
    outputs = []
    for cut in (1, 2, 3):
        model = build(cnn(cut=cut))
        assert model.front(x).shape[1] == (8, 4, 6)[cut - 1]
        torch.manual_seed(0)
        for parameter in (*model.front.parameters(), *model.back.parameters()):
            nn.init.normal_(parameter, std=0.1)
        outputs.append(model.back(model.front(x)))
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[1], outputs[2])


def test_initial_values_follow_the_seed_alone_and_torchs_own_law() -> None:
    torch_state = torch.get_rng_state()
    first, again, other = (list(build(cnn(front=(64,)), seed=seed).front.parameters()) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    bound = 1 / (3 * 9) ** 0.5
    assert first[0].abs().max() <= bound
    assert first[0].std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_a_model_on_meta_has_the_same_shapes() -> None:
    model = build(cnn(), device="meta")
    z = model.front(torch.empty(7, *SHAPE, device="meta"))
    assert (z.shape, model.back(z).shape) == ((7, 4, 3, 5), (7, 10))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "data={kind: digits}",
            r"model.kind: cnn needs images of shape \(channels, height, width\), not samples of shape \(64,\)",
        ),
        ("model.cut=4", "model.cut: 4 lies beyond the last stage: front [+] back have 3 stages"),
        ("model.back=[8, 8, 8]", r"model.front: 5 stages \(front [+] back\) halve a 16x16 image to nothing: at most 4"),
    ],
)
def test_a_cnn_that_cannot_be_is_refused_by_the_spec(make_spec: MakeSpec, override: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make_spec(IMAGES, SMALL_CNN, override)


def test_costs_are_those_of_the_layers_and_need_no_data(make_spec: MakeSpec) -> None:
    one_image = 16 * 16 * 27 * 4 + 8 * 8 * 36 * 2 + 2 * 4 * 4 * 10
    costs = profile(make_spec(IMAGES, SMALL_CNN, "method.zeroth_order.probes=2"))
    assert costs.client_macs_per_step == 3 * 16 * one_image
    assert costs.traffic_per_round_bytes["up"]["smashed"] == 6 * 3 * 16 * (2 * 4 * 4) * 4
    twin = profile(make_spec(IMAGES, SMALL_CNN, "method.kind=cse_fsl"))
    assert costs.client_peak_bytes < twin.client_peak_bytes
    assert "activation_cache" not in costs.client_peak_parts


@pytest.mark.parametrize("cut", [1, 4, 1024])
@pytest.mark.parametrize("classes", [2, 10, 200])
def test_a_larger_auxiliary_size_costs_more_parameters_at_any_cut(cut: int, classes: int) -> None:
    sizes = []
    for size in range(9):
        spec = MlpModel.model_validate({"kind": "mlp", "front": (cut,), "auxiliary": {"kind": "sized", "size": size}})
        model = build_model(spec, input_shape=(1,), classes=classes, seed=0, device="meta")
        sizes.append(parameters(model.auxiliary))
    assert sizes[0] == (cut + 1) * classes
    assert sizes == sorted(set(sizes))


def test_size_zero_is_the_linear_head_bit_for_bit() -> None:
    heads = [build(cnn(auxiliary=spec)).auxiliary for spec in ({"kind": "linear"}, {"kind": "sized", "size": 0})]
    for a, b in zip(heads[0].parameters(), heads[1].parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.usefixtures("stripes")
@pytest.mark.parametrize("kind", sorted(METHODS))
def test_every_method_learns_from_image_files_with_a_cnn(make_spec: MakeSpec, kind: str) -> None:
    data = "data={kind: image_folder, path: stripes, classes: 2, height: 8, width: 8, channels: 1}"
    rates = (
        [f"method.server_optimizer.lr={0.02 if kind in ('mu_splitfed', 'split_lora') else 0.2}"]
        if takes(kind, "server_optimizer")
        else []
    )
    if takes(kind, "client_optimizer"):
        slow = takes(kind, "zeroth_order") or kind in ("mu_splitfed", "split_lora")
        rates.append(f"method.client_optimizer.lr={0.05 if slow else 0.2}")
    spec = make_spec(data, SMALL_CNN, *method_overrides(kind), "rounds=25", "partition={kind: iid}", *rates)
    with LocalExecutor() as executor:
        result = Simulation(spec, executor).run()
    assert result.test_accuracy > 0.75

"""ResNet-18: torchvision's network, its cut and heads, and forward passes that hold little."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from heron_ray.errors import DataError, SpecError
from heron_ray.measure.flops import count_flops
from heron_ray.measure.memory import MemoryTracker
from heron_ray.models import SplitModel, build_model
from heron_ray.models.normalisation import BatchNorm
from heron_ray.models.resnet18 import CHUNK, plain_forwards
from heron_ray.spec.model import Resnet18Model
from heron_ray.vectors import FlatVector
from tests.conftest import MakeSpec

SHAPE = (3, 12, 9)
BATCH = CHUNK + 5
MIB = 2**20
FLAT = {"kind": "flat_linear"}
POOLED = {"kind": "pooled_linear"}
SMALL = {"kind": "resnet18", "width": 4, "cut": 4, "auxiliary": FLAT}
PAPER = {"kind": "resnet18", "auxiliary": FLAT}
IMAGES = "data={kind: parquet, path: absent, height: 16, width: 16}"


def build(
    fields: dict[str, object] | None = None, *, shape: tuple[int, ...] = SHAPE, seed: int = 0, device: str = "cpu"
) -> SplitModel:
    spec = Resnet18Model.model_validate(SMALL | (fields or {}))
    return build_model(spec, input_shape=shape, classes=10, seed=seed, device=device)


def images(*shape: int) -> Tensor:
    return torch.randn(shape or (BATCH, *SHAPE), generator=torch.Generator().manual_seed(0))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def freeze(model: SplitModel) -> SplitModel:
    """As a zeroth-order client holds it: gradients are never asked for."""
    for part in (model.front, model.auxiliary, model.back):
        part.requires_grad_(False)
    return model


def frozen(fields: dict[str, object] | None = None) -> SplitModel:
    return freeze(build(fields))


def ways(fields: dict[str, object] | None = None) -> list[tuple[SplitModel, Callable[[], AbstractContextManager[None]]]]:
    """The same model, computing as a first-order client, leanly, and as a client that is lean but told to be plain."""
    return [(build(fields), nullcontext), (frozen(fields), nullcontext), (frozen(fields), plain_forwards)]


def test_the_papers_setting() -> None:
    model = build(PAPER | {"width": 64, "cut": 1}, shape=(3, 32, 32), device="meta")
    assert model.front(torch.empty(5, 3, 32, 32, device="meta")).shape == (5, 64, 32, 32)
    assert parameters(model.front) == 75_840
    assert parameters(model.auxiliary) == 655_370


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("stem", "size"), [("imagenet", (48, 40)), ("cifar", (12, 16))])
def test_the_network_is_torchvisions(stem: str, size: tuple[int, int], training: bool) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=10)
    if stem == "cifar":
        theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        theirs.maxpool = nn.Identity()
    model = build({"width": 64, "cut": 3, "stem": stem}, shape=(3, *size))
    ours = nn.Sequential(model.front, model.back)
    for network in (ours, theirs):
        network.train(training)
    for mine, given in zip(ours.parameters(), theirs.parameters(), strict=True):
        mine.data.copy_(given.data)
    x = images(3, 3, *size)
    outputs = [network(x) for network in (ours, theirs)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    for mine, given in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, given.grad, rtol=1e-3, atol=1e-3 * given.grad.abs().max().item())
    their_buffers = [buffer for name, buffer in theirs.named_buffers() if not name.endswith("num_batches_tracked")]
    for mine, given in zip(ours.buffers(), their_buffers, strict=True):
        torch.testing.assert_close(mine, given)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("mode", ["training", "probing", "evaluation", "evaluation between probes"])
@pytest.mark.parametrize("cut", [0, 1, 3])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_the_lean_way_computes_what_the_ordinary_way_does(mode: str, cut: int, stem: str) -> None:
    shape, x = (3, 24, 20), images(BATCH, 3, 24, 20)
    results = []
    for lean in (True, False):
        model = build({"cut": cut, "stem": stem}, shape=shape)
        network = nn.ModuleList([model.front, model.auxiliary, model.back]).train(mode in ("training", "probing"))
        for layer in network.modules():
            if isinstance(layer, BatchNorm):
                layer.track_running_stats = mode in ("training", "evaluation")
                nn.init.uniform_(layer.running_mean, 0.5, 1.5, generator=torch.Generator().manual_seed(1))
        before = [buffer.clone() for buffer in network.buffers()]
        if lean:
            freeze(model)
        z = model.front(x)
        assert z.requires_grad is not lean
        results.append([z.detach(), model.auxiliary(z).detach(), model.back(z).detach(), *network.buffers()])
        moved = [not torch.equal(now, then) for now, then in zip(network.buffers(), before, strict=True)]
        assert moved == [mode == "training"] * len(moved)
    for lean_result, ordinary_result in zip(*results, strict=True):
        torch.testing.assert_close(lean_result, ordinary_result, rtol=1e-4, atol=1e-5)


def test_normalising_in_place_gives_the_same_bits_as_a_new_tensor() -> None:
    results = []
    for in_place in (True, False):
        norm = BatchNorm(3, torch.device("cpu")).requires_grad_(False)
        x = images()
        out = norm.normalise_(x) if in_place else norm(x)
        assert (out is x) is in_place
        results.append([out, norm.running_mean, norm.running_var])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_the_lean_way_needs_no_grad_mode_to_be_off_and_repeats_itself_bit_for_bit() -> None:
    x = images()
    with torch.no_grad():
        alone = build().front(x)
    model = frozen()
    assert torch.equal(model.front(x), alone)
    assert torch.equal(model.front(x), alone)


def test_no_way_writes_into_what_it_was_given() -> None:
    for model, way in ways():
        with way():
            x = images()
            z = model.front(x)
            assert torch.equal(x, images())
            kept = z.detach().clone()
            blocks = build({"auxiliary": {"kind": "blocks", "blocks": 2}}).auxiliary
            first = model.back(z)
            for head in (model.back, blocks, blocks.requires_grad_(False)):
                head(z)
                assert torch.equal(z, kept)
            assert torch.equal(model.back(z), first)


@pytest.mark.parametrize("cut", [0, 1, 8])
def test_smashed_data_leave_in_default_order_whatever_the_images_order(cut: int) -> None:
    x = images().contiguous(memory_format=torch.channels_last)
    assert not x.is_contiguous()
    for model, way in ways({"cut": cut}):
        with way():
            z = model.front(x)
            assert z.is_contiguous()
            torch.testing.assert_close(z, model.front(images()))


def peak_bytes(model: SplitModel, x: Tensor, *, backward: bool = False) -> int:
    """Tracked peak of a step's passes through front model and auxiliary head, with parameters, input and what Adam keeps."""
    tracker, vector = MemoryTracker(), FlatVector(model.parts(("front", "auxiliary")))
    kept = [vector.gradient(), torch.zeros_like(vector.data), torch.zeros_like(vector.data)] if backward else []
    y = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    for tensor in (vector.data, x, *kept):
        tracker.label(tensor, "held")
    with tracker:
        loss = functional.cross_entropy(model.auxiliary(model.front(x)), y)
        if backward:
            loss.backward()
    return tracker.peak_bytes


def test_a_lean_pass_holds_two_activations_and_a_chunk_where_a_plain_one_holds_three() -> None:
    model = build(PAPER | {"width": 64, "cut": 1}, shape=(3, 32, 32), device="meta")
    x = torch.empty(256, 3, 32, 32, device="meta")
    activation = 256 * 64 * 32 * 32 * 4
    held = x.nbytes + 4 * (parameters(model.front) + parameters(model.auxiliary))
    small = 0.01 * MIB
    first_order = peak_bytes(model, x, backward=True)
    freeze(model)
    lean = peak_bytes(model, x)
    with plain_forwards():
        plain = peak_bytes(model, x)
    assert 0 <= lean - (2 * activation + activation * CHUNK // 256 + held) < small
    assert 0 <= plain - (3 * activation + held) < small
    assert first_order < 527 * MIB
    assert lean < 138 * MIB


def test_evaluating_a_first_order_model_without_gradients_is_lean() -> None:
    model, x, peaks = build(device="meta"), images().to("meta"), []
    for grad_wanted in (True, False):
        model.front.requires_grad_(grad_wanted)
        tracker = MemoryTracker()
        with torch.no_grad(), tracker:
            model.front(x)
        peaks.append(tracker.peak_bytes)
    assert peaks[0] == peaks[1]


def test_memory_on_the_cpu_is_what_meta_tensors_told() -> None:
    for backward in (False, True):
        peaks = [peak_bytes(build(device=device), images().to(device), backward=backward) for device in ("cpu", "meta")]
        assert peaks[0] == peaks[1]


def test_lean_passes_count_as_many_operations_as_plain_ones() -> None:
    model, x = freeze(build(device="meta")), images().to("meta")
    lean = count_flops(lambda: model.back(model.front(x)))
    with plain_forwards():
        assert count_flops(lambda: model.back(model.front(x))) == lean > 0


def test_running_statistics_may_be_moved_into_another_buffer() -> None:
    for model, way in ways():
        expected = [buffer.clone() for buffer in model.front.buffers()]
        norm = next(layer for layer in model.front.modules() if isinstance(layer, BatchNorm))
        flat = torch.cat([norm.running_mean, norm.running_var])
        norm._buffers["running_mean"], norm._buffers["running_var"] = flat.chunk(2)
        with way():
            model.front(images())
            assert not torch.equal(flat[:4], expected[0])
            assert not torch.equal(flat[4:], expected[1])
            model.front.eval()
            before = model.front(images())
            flat.fill_(2.0)
            assert not torch.allclose(model.front(images()), before)


def test_a_batch_of_one_value_per_channel_is_refused_in_every_way() -> None:
    for model, way in ways():
        with way(), pytest.raises(DataError, match="per channel"):
            model.back(torch.zeros(1, 8, 1, 1))
        model.back.eval()
        with way():
            assert model.back(torch.zeros(1, 8, 1, 1)).isfinite().all()


def test_moving_the_cut_changes_neither_the_network_nor_its_values() -> None:
    x, outputs = images(), []
    for cut in range(9):
        model = frozen({"cut": cut})
        z = model.front(x)
        assert z.shape[1:] == ((4, 12, 9), (8, 6, 5), (16, 3, 3), (32, 2, 2))[max(cut - 1, 0) // 2]
        assert model.auxiliary(z).shape == (BATCH, 10)
        generator = torch.Generator().manual_seed(0)
        for parameter in (*model.front.parameters(), *model.back.parameters()):
            nn.init.normal_(parameter, std=0.1, generator=generator)
        outputs.append(model.back(model.front(x)))
    assert all(torch.equal(output, outputs[0]) for output in outputs)


def test_initial_values_follow_the_seed_alone_and_torchvisions_law() -> None:
    torch_state = torch.get_rng_state()
    first, again, other = (build({"width": 32}, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), torch_state)
    for a, b in zip(first.back.parameters(), again.back.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(next(first.front.parameters()), next(other.front.parameters()))
    for layer in (*first.front.modules(), *first.back.modules()):
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.out_channels * layer.kernel_size[0] ** 2
            assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
            assert layer.weight.abs().max() > 2 * (2 / fan_out) ** 0.5
        elif isinstance(layer, BatchNorm):
            assert [values.unique().item() for values in (layer.weight, layer.bias)] == [1.0, 0.0]
            assert {name: values.unique().item() for name, values in layer.named_buffers()} == {
                "running_mean": 0.0,
                "running_var": 1.0,
            }
        elif isinstance(layer, nn.Linear):
            assert layer.weight.abs().max() <= layer.in_features**-0.5


def test_pooled_heads_and_heads_of_blocks() -> None:
    pooled = build({"auxiliary": POOLED}).auxiliary
    assert parameters(pooled) == (8 + 1) * 10
    model = build({"auxiliary": {"kind": "blocks", "blocks": 3}})
    one = 8 * 16 * 9 + 16 * 16 * 9 + 8 * 16 + 6 * 16
    two = 2 * 16 * 16 * 9 + 4 * 16
    three = 16 * 32 * 9 + 32 * 32 * 9 + 16 * 32 + 6 * 32
    assert parameters(model.auxiliary) == one + two + three + (32 + 1) * 10
    head, back = (next(part.parameters()) for part in (model.auxiliary, model.back))
    assert head.shape == back.shape
    assert not torch.equal(head, back)
    z = model.front(images())
    assert model.auxiliary(z).shape == (BATCH, 10)
    z = z.detach()
    expected = build({"auxiliary": POOLED}).auxiliary[-1](z.mean((2, 3)))
    torch.testing.assert_close(pooled(z), expected)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data={kind: digits}", r"model.kind: resnet18 needs images of shape \(channels, height, width\), not .* \(64,\)"),
        (
            "model.stem=imagenet",
            "model.stem: imagenet and the stages after it halve height and width 5 times, which a 16x16 image does not bear: "
            "at least 17x17, or stem: cifar",
        ),
        ("data.height=4", "model.stem: cifar and .* 3 times, which a 4x16 image does not bear: at least 5x5$"),
        (
            "model.auxiliary={kind: blocks, blocks: 6}",
            "model.auxiliary.blocks: 6 are more than the 5 that come after cut 3: at most 5, or a smaller cut",
        ),
        ("model={kind: resnet18, cut: 8, auxiliary: {kind: blocks, blocks: 1}}", "take a smaller cut or kind: pooled_linear"),
        ("model.cut=9", "model.cut"),
    ],
)
def test_a_resnet_that_cannot_be_is_refused_by_the_spec(make_spec: MakeSpec, override: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make_spec(IMAGES, "model={kind: resnet18, cut: 3, auxiliary: {kind: pooled_linear}}", override)


def test_what_just_fits_is_accepted(make_spec: MakeSpec) -> None:
    model = "model={kind: resnet18, cut: 3, stem: imagenet, auxiliary: {kind: blocks, blocks: 5}}"
    spec = make_spec("data={kind: parquet, path: absent, height: 17, width: 17}", model)
    assert isinstance(spec.model, Resnet18Model)
    assert spec.model.cut_size((3, 17, 17)) == (3, 3)

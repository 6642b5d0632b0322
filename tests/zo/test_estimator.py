import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from heron_ray.seeds import Purpose, derive
from heron_ray.spec.method import ZerothOrderSpec
from heron_ray.vectors import FlatVector
from heron_ray.zo import DirectionStream, ZerothOrderEstimator

LAWS = ["sphere", "gaussian", "rademacher"]


class Quadratic(nn.Module):
    """f(theta) = theta^T A theta / 2 + b^T theta, of which the gradient A theta + b is known exactly."""

    def __init__(self, size: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(1)
        root = torch.randn(size, size, generator=draw)
        self.a = root @ root.T / size
        self.b = torch.randn(size, generator=draw)
        self.theta = nn.Parameter(torch.randn(size, generator=draw))

    def loss(self) -> Tensor:
        return self.theta @ self.a @ self.theta / 2 + self.b @ self.theta

    def gradient(self) -> Tensor:
        return (self.a @ self.theta + self.b).detach()


def seeds(count: int) -> list[int]:
    return [derive(3, Purpose.DIRECTION, 0, 0, 0, probe) for probe in range(count)]


def draw(law: str, seed: int, size: int) -> Tensor:
    return DirectionStream(law, seed, torch.device("cpu")).fill(torch.empty(size))


def relative_error(estimate: Tensor, truth: Tensor) -> float:
    return float((estimate - truth).norm() / truth.norm())


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("difference", ["forward", "central"])
def test_the_mean_over_many_directions_approaches_the_gradient_of_a_quadratic(law: str, difference: str) -> None:
    model = Quadratic(12)
    spec = ZerothOrderSpec(mu=1e-3, probes=8_000, direction=law, difference=difference)
    estimator = ZerothOrderEstimator(spec, FlatVector({"front": model}))
    estimate = estimator.estimate(model.loss, model.loss(), seeds(8_000))
    assert relative_error(estimate, model.gradient()) < 0.09


@pytest.mark.parametrize("law", LAWS)
def test_the_mean_over_many_directions_approaches_the_gradient_of_a_network(law: str) -> None:
    draw = torch.Generator().manual_seed(2)
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    for parameter in network.parameters():
        parameter.data.normal_(generator=draw)
    x, y = torch.randn(16, 4, generator=draw), torch.randint(3, (16,), generator=draw)
    truth = torch.cat(
        [g.flatten() for g in torch.autograd.grad(functional.cross_entropy(network(x), y), list(network.parameters()))]
    )

    def loss() -> Tensor:
        return functional.cross_entropy(network(x), y)

    spec = ZerothOrderSpec(mu=1e-2, probes=8_000, direction=law, difference="central")
    estimate = ZerothOrderEstimator(spec, FlatVector({"front": network})).estimate(loss, loss(), seeds(8_000))
    assert relative_error(estimate, truth) < 0.15


@pytest.mark.parametrize("difference", ["forward", "central"])
@pytest.mark.parametrize("law", LAWS)
def test_ten_thousand_probes_move_the_parameters_by_rounding_only(law: str, difference: str) -> None:
    model = Quadratic(50)
    vector = FlatVector({"front": model})
    before = vector.data.clone()
    spec = ZerothOrderSpec(mu=1e-3, probes=10_000, direction=law, difference=difference)
    ZerothOrderEstimator(spec, vector).probe(model.loss, model.loss(), seeds(10_000))
    drift = (vector.data - before).abs().max()
    assert drift < 1e-4 * before.abs().max()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("size", [40, 1000, 1024, 2500])
def test_replaying_the_seeds_gives_the_same_bits_as_holding_the_directions(
    monkeypatch: pytest.MonkeyPatch, law: str, size: int
) -> None:
    monkeypatch.setattr("heron_ray.zo.directions.PIECE", 1024)
    weights = torch.randn(size, generator=torch.Generator().manual_seed(4))
    estimates = []
    for replay in (True, False):
        layer = nn.Linear(size, 1, bias=False)
        vector = FlatVector({"front": layer})
        vector.data.copy_(weights)

        def loss(layer: nn.Linear = layer) -> Tensor:
            return layer(torch.ones(size)).square().mean()

        spec = ZerothOrderSpec(probes=5, direction=law, replay=replay)
        estimates.append(torch.cat([ZerothOrderEstimator(spec, vector).estimate(loss, loss(), seeds(5)), vector.data]))
    assert torch.equal(*estimates)


def test_probing_a_long_vector_holds_two_pieces_only() -> None:
    layer = nn.Linear(1000, 1000)
    vector = FlatVector({"front": layer})
    ZerothOrderEstimator(ZerothOrderSpec(probes=2), vector)
    assert sum(buffer.numel() for buffer in vector.buffers.values()) == 2 * 2**16


@pytest.mark.parametrize(("difference", "calls"), [("forward", 5), ("central", 10)])
def test_five_probes_cost_the_forward_passes_they_should(difference: str, calls: int) -> None:
    model, count = Quadratic(5), 0

    def loss() -> Tensor:
        nonlocal count
        count += 1
        return model.loss()

    spec = ZerothOrderSpec(probes=5, difference=difference)
    ZerothOrderEstimator(spec, FlatVector({"front": model})).estimate(loss, model.loss(), seeds(5))
    assert count == calls


@given(seed=st.integers(0, 2**64 - 1), size=st.integers(1, 300), law=st.sampled_from(LAWS))
@settings(max_examples=60, deadline=None)
def test_a_direction_is_a_function_of_its_seed(seed: int, size: int, law: str) -> None:
    first = draw(law, seed, size)
    torch.randn(3)  # global randomness is not involved
    assert torch.equal(first, draw(law, seed, size))
    assert torch.isfinite(first).all()


@pytest.mark.parametrize("law", LAWS)
def test_directions_have_the_moments_of_their_law(law: str) -> None:
    size, count = 8, 8_000
    rows = torch.stack([draw(law, seed, size) for seed in seeds(count)])
    assert torch.allclose(rows.T @ rows / count, torch.eye(size), atol=0.08)
    assert float(rows.mean(0).abs().max()) < 0.05
    if law == "rademacher":
        assert set(rows.unique().tolist()) == {-1.0, 1.0}


def test_a_direction_on_the_sphere_has_unit_length() -> None:
    model = Quadratic(33)
    vector = FlatVector({"front": model})
    start = vector.data.clone()
    moved: list[float] = []

    def loss() -> Tensor:
        moved.append(float((vector.data - start).norm()))
        return model.loss()

    ZerothOrderEstimator(ZerothOrderSpec(mu=0.5, probes=20), vector).probe(loss, model.loss(), seeds(20))
    assert moved == pytest.approx([0.5] * 20, rel=1e-4)

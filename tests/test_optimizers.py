"""Our flat optimizers do torch.optim's arithmetic."""

import pytest
import torch

from heron_ray.optimizers import make_optimizer, whole
from heron_ray.spec.optimizer import AdamOptimizer, OptimizerSpec, SgdOptimizer

CASES: list[tuple[OptimizerSpec, type[torch.optim.Optimizer], dict[str, object]]] = [
    (SgdOptimizer(kind="sgd", lr=0.1), torch.optim.SGD, {"lr": 0.1}),
    (
        SgdOptimizer(kind="sgd", lr=0.1, momentum=0.9, weight_decay=0.01),
        torch.optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    ),
    (AdamOptimizer(kind="adam", lr=0.01), torch.optim.Adam, {"lr": 0.01}),
    (
        AdamOptimizer(kind="adam", lr=0.01, beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.1),
        torch.optim.Adam,
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1},
    ),
]


def gradients(count: int) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(100, generator=draw) for _ in range(count)]


@pytest.mark.parametrize(("spec", "theirs", "options"), CASES)
def test_steps_equal_those_of_torch(
    spec: OptimizerSpec, theirs: type[torch.optim.Optimizer], options: dict[str, object]
) -> None:
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 100))
    theta = parameter.detach().clone()
    reference, ours = theirs([parameter], **options), make_optimizer(spec)
    for gradient in gradients(20):
        parameter.grad = gradient.clone()
        reference.step()
        ours.step(theta, whole(gradient.clone()))
    assert torch.allclose(theta, parameter.detach(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("spec", [case[0] for case in CASES])
def test_a_gradient_in_pieces_gives_the_same_bits_as_in_one(spec: OptimizerSpec) -> None:
    thetas = [torch.linspace(-1, 1, 100), torch.linspace(-1, 1, 100)]
    optimizers = [make_optimizer(spec), make_optimizer(spec)]
    cuts = [slice(0, 32), slice(32, 64), slice(64, 100)]
    for gradient in gradients(5):
        optimizers[0].step(thetas[0], whole(gradient.clone()))
        optimizers[1].step(thetas[1], ((cut, gradient[cut].clone()) for cut in cuts))
    assert torch.equal(*thetas)


@pytest.mark.parametrize("spec", [case[0] for case in CASES])
def test_a_loaded_state_continues_exactly(spec: OptimizerSpec) -> None:
    theta, optimizer = torch.linspace(-1, 1, 100), make_optimizer(spec)
    for gradient in gradients(3):
        optimizer.step(theta, whole(gradient))
    other_theta, other = theta.clone(), make_optimizer(spec)
    other.load(optimizer.state)
    for gradient in gradients(3):
        optimizer.step(theta, whole(gradient.clone()))
        other.step(other_theta, whole(gradient.clone()))
    assert torch.equal(theta, other_theta)

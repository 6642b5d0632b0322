import numpy as np
import torch
from torch import nn

from heron_ray.vectors import FlatVector


def build() -> tuple[nn.Module, nn.Module, FlatVector]:
    front, auxiliary = nn.Linear(3, 2), nn.Linear(2, 4)
    return front, auxiliary, FlatVector({"front": front, "auxiliary": auxiliary})


def test_parameters_keep_their_values_and_become_views() -> None:
    torch.manual_seed(0)
    reference = nn.Linear(3, 2)
    values = torch.cat([parameter.detach().flatten() for parameter in reference.parameters()])
    vector = FlatVector({"front": reference})
    assert torch.equal(vector.data, values)
    vector.data.zero_()
    assert all(bool((parameter == 0).all()) for parameter in reference.parameters())


def test_parts_lie_in_the_order_given_and_know_their_sizes() -> None:
    front, auxiliary, vector = build()
    assert vector.part_sizes == {"front": 8, "auxiliary": 12}
    vector.data[:8] = 1
    assert bool((front.weight == 1).all())
    assert not bool((auxiliary.weight == 1).any())


def test_no_gradient_is_asked_for_before_it_is_wanted() -> None:
    front, _, vector = build()
    assert not front(torch.ones(1, 3)).requires_grad
    gradient = vector.gradient().zero_()
    front(torch.ones(1, 3)).sum().backward()
    assert gradient[:8].abs().sum() > 0
    assert gradient[8:].abs().sum() == 0
    assert vector.gradient() is gradient


def test_values_go_out_and_in_as_copies() -> None:
    _, _, vector = build()
    values = vector.numpy()
    values += 1
    assert not np.array_equal(values, vector.numpy())
    vector.load(values)
    assert np.array_equal(values, vector.numpy())
    values.flags.writeable = False  # as arrays from an object store are
    vector.load(values)

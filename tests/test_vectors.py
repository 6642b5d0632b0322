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


def test_parts_go_out_and_in_with_their_statistics_and_leave_the_others_alone() -> None:
    modules = {name: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm2d(3)) for name in ("front", "auxiliary", "back")}
    vector = FlatVector(modules)
    vector.state.copy_(torch.arange(len(vector.state)))
    each, statistics = 9 + 6, 6
    assert vector.sizes(["front", "back"]) == {"front": each, "back": each, "statistics": 2 * statistics}
    taken = vector.numpy(["front", "back"])
    begin = 3 * each
    assert taken.tolist() == [
        *range(each),
        *range(2 * each, 3 * each),
        *range(begin, begin + statistics),
        *range(begin + 2 * statistics, begin + 3 * statistics),
    ]
    vector.load(-taken, ["front", "back"])
    assert bool((vector.data[vector.span("auxiliary")] > 0).all())
    assert modules["back"][1].running_var[-1] == -(begin + 3 * statistics - 1)
    assert vector.statistics(["back"]).tolist() == (-taken[-statistics:]).tolist()
    vector.load_statistics(np.ones(statistics, dtype=np.float32), ["front"])
    assert modules["front"][1].running_mean.tolist() == [1, 1, 1]
    assert len(vector.numpy([])) == 0


def test_held_statistics_stay_and_holding_twice_is_holding_once() -> None:
    norm = nn.BatchNorm2d(3)
    vector = FlatVector({"front": norm})
    x = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    with vector.hold_statistics():
        with vector.hold_statistics():
            norm(x)
        norm(x)
    assert vector.statistics(["front"]).tolist() == [0, 0, 0, 1, 1, 1]
    norm(x)
    assert vector.statistics(["front"]).tolist() != [0, 0, 0, 1, 1, 1]

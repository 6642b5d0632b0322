from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from heron_ray.measure.flops import FlopMeter, count_flops

DEVICES = pytest.mark.parametrize("device", ["cpu", "meta"])


@DEVICES
def test_a_linear_layer_costs_two_flops_per_weight_and_sample(device: str) -> None:
    layer, x = nn.Linear(7, 5, device=device), torch.ones(3, 7, device=device)
    assert count_flops(lambda: layer(x)) == 2 * 3 * 7 * 5


@DEVICES
def test_a_backward_pass_skips_the_input_gradient_of_the_first_layer(device: str) -> None:
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)).to(device)
    x, y = torch.ones(5, 8, device=device), torch.zeros(5, dtype=torch.int64, device=device)
    first, second = 5 * 8 * 6, 5 * 6 * 4
    meter = FlopMeter()
    with meter:
        loss = nn.functional.cross_entropy(model(x), y)
    assert meter.macs == first + second
    with meter:
        loss.backward()
    assert meter.macs == (first + second) + (first + 2 * second)
    assert meter.flops == 2 * meter.macs


@DEVICES
def test_a_residual_block_costs_its_two_convolutions_three_times_over_a_step(device: str) -> None:
    block = BasicBlock(16, 16).to(device)
    x = torch.ones(2, 16, 8, 8, device=device, requires_grad=True)
    convolution = 2 * 8 * 8 * 16 * 16 * 3 * 3
    meter = FlopMeter()
    with meter:
        out = block(x)
    assert meter.macs == 2 * convolution
    with meter:
        out.sum().backward()
    assert meter.macs == 6 * convolution


@DEVICES
def test_attention_costs_its_two_products(device: str) -> None:
    q = torch.ones(2, 4, 16, 8, device=device)
    flops = count_flops(lambda: nn.functional.scaled_dot_product_attention(q, q, q))
    assert flops == 2 * (2 * 2 * 4 * 16 * 16 * 8)


def test_elementwise_work_costs_nothing() -> None:
    x = torch.ones(100, 100)
    assert count_flops(lambda: (x + x).relu().sum()) == 0


def test_only_what_runs_inside_is_counted() -> None:
    x, meter = torch.ones(4, 4), FlopMeter()
    for _ in range(3):
        with meter:
            x @ x
        x @ x
    assert meter.macs == 3 * 4**3


def test_work_that_ended_in_an_error_was_still_done() -> None:
    x, meter = torch.ones(4, 4), FlopMeter()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), meter:
        (x @ x) @ torch.ones(3, 3)
    with meter:
        x @ x
    assert meter.macs == 2 * 4**3


def test_entering_twice_at_once_is_refused() -> None:
    meter = FlopMeter()
    with meter, pytest.raises(RuntimeError, match="already entered"), meter:
        pass

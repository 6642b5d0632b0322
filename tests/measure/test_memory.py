from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from heron_ray.measure.flops import FlopMeter
from heron_ray.measure.memory import MemoryTracker

KIB = 1024
DEVICES = pytest.mark.parametrize("device", ["cpu", "meta"])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def kib(count: int, device: str = "cpu") -> Tensor:
    """A float32 vector of `count` KiB."""
    return torch.zeros(count * KIB // 4, device=device)


def network(device: str = "cpu") -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 300), nn.ReLU(), nn.Linear(300, 300), nn.Tanh(), nn.Linear(300, 10)).to(device)


def batch(device: str = "cpu") -> tuple[Tensor, Tensor]:
    return torch.ones(256, 64, device=device), torch.zeros(256, dtype=torch.int64, device=device)


def tracker_for(model: nn.Module, *inputs: Tensor) -> MemoryTracker:
    tracker = MemoryTracker()
    for parameter in model.parameters():
        tracker.label(parameter, "parameters")
    for tensor in inputs:
        tracker.label(tensor, "input")
    return tracker


def first_order_step(model: nn.Module, x: Tensor, y: Tensor) -> None:
    nn.functional.cross_entropy(model(x), y).backward()


@DEVICES
def test_a_new_tensor_counts_its_bytes_and_its_views_and_in_place_operations_nothing(device: str) -> None:
    tracker = MemoryTracker()
    with tracker:
        x = kib(8, device)
        views = [x.view(2, -1), x[3:7], x.detach(), x.expand(5, -1), x.view(4, -1).t()]
        x.add_(1).relu_().mul_(2)
    assert tracker.live_bytes == tracker.peak_bytes == 8 * KIB
    assert len(views) == 5


@DEVICES
def test_a_freed_tensor_goes_away_at_once_and_the_peak_stays(device: str) -> None:
    gc.disable()
    try:
        tracker = MemoryTracker()
        with tracker:
            x = kib(8, device)
            view = x[1:]
            del x
            assert tracker.live_bytes == 8 * KIB, "a view keeps the storage"
            del view
            assert tracker.live_bytes == 0
            y = kib(2, device)
        assert (tracker.live_bytes, tracker.peak_bytes) == (2 * KIB, 8 * KIB)
        del y
        assert tracker.live_bytes == 0, "also what is freed outside"
    finally:
        gc.enable()


def test_what_is_made_outside_counts_only_once_it_is_labelled() -> None:
    x, batch_array = kib(4), np.zeros(KIB, dtype=np.float32)
    numpy_backed = torch.from_numpy(batch_array)
    tracker = MemoryTracker()
    with tracker:
        x.add_(1)
        x.view(-1)
        numpy_backed.mul_(2)
    assert tracker.peak_bytes == 0
    tracker.label(x, "directions")
    tracker.label(x[2:], "directions")
    tracker.label(numpy_backed, "input")
    assert tracker.peak_parts == {"directions": 4 * KIB, "input": 4 * KIB}


def test_tensors_built_from_python_values_count_once() -> None:
    tracker = MemoryTracker()
    with tracker:
        made = torch.tensor([1.0, 2.0])
    assert tracker.peak_bytes == made.nbytes == 8


def test_a_tensor_that_is_resized_counts_its_new_size() -> None:
    tracker = MemoryTracker()
    with tracker:
        x = kib(1)
        x.resize_(KIB)
    assert tracker.live_bytes == tracker.peak_bytes == 4 * KIB


def test_the_tracker_may_be_entered_many_times_and_the_work_between_does_not_count() -> None:
    def client() -> Iterator[Tensor]:
        held = kib(2)
        yield held
        del held
        yield kib(16)

    tracker, steps = MemoryTracker(), client()
    with tracker:
        z = next(steps)
    server_work = kib(512) + 1
    with tracker:
        z = next(steps)
    assert server_work.nbytes == 512 * KIB
    assert tracker.peak_bytes == 18 * KIB, "the caller still held the first upload"
    assert tracker.live_bytes == z.nbytes == 16 * KIB


def test_a_part_may_be_named_after_the_peak_that_contains_it() -> None:
    tracker = MemoryTracker()
    with tracker:
        z = kib(3)
        kib(5)
    tracker.relabel(z, "smashed")
    assert tracker.peak_parts == {"activations": 5 * KIB, "smashed": 3 * KIB}


def test_relabelling_an_untracked_tensor_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"shape \(256,\) is not tracked and cannot become 'smashed': use label"):
        MemoryTracker().relabel(kib(1), "smashed")


def test_entering_twice_at_once_is_refused_and_does_no_harm() -> None:
    tracker = MemoryTracker()
    with tracker:
        with pytest.raises(RuntimeError, match="already entered"), tracker:
            pass
        kept = kib(1)
    assert tracker.live_bytes == kept.nbytes


@DEVICES
def test_a_first_order_step_names_its_cache_and_its_gradients(device: str) -> None:
    model, (x, y) = network(device), batch(device)
    tracker = tracker_for(model, x, y)
    with tracker:
        first_order_step(model, x, y)
    parameter_bytes = sum(p.nbytes for p in model.parameters())
    parts = tracker.peak_parts
    assert parts["parameters"] == parameter_bytes
    assert parts["input"] == x.nbytes + y.nbytes
    assert parts["activation_cache"] == 256 * 300 * 4, "the peak is in the second layer's backward: one cached input is left"
    assert parts["gradients"] == sum(p.nbytes for p in list(model.parameters())[2:]), "layers two and three have theirs"
    assert sum(parts.values()) == tracker.peak_bytes
    assert tracker.live_bytes == 2 * parameter_bytes + x.nbytes + y.nbytes


def test_gradients_are_known_even_where_nothing_was_labelled() -> None:
    model = nn.Linear(1000, 1, bias=False)
    tracker = MemoryTracker()
    with tracker:
        model(torch.ones(1, 1000)).sum().backward()
    assert tracker.peak_parts["gradients"] == 4000


def test_gradients_made_in_a_later_entry_than_the_forward_pass_are_named() -> None:
    flat = torch.zeros(1000)
    weight = nn.Parameter(flat.view(1, 1000))
    tracker = MemoryTracker()
    tracker.label(flat, "parameters")
    with tracker:
        z = nn.functional.linear(torch.ones(1, 1000), weight)
    with tracker:
        z.backward(torch.ones_like(z))
    assert tracker.peak_parts["gradients"] == 4000
    assert tracker.peak_parts["parameters"] == 4000
    assert not weight._post_accumulate_grad_hooks, "no hook stays behind"


@DEVICES
def test_a_forward_pass_without_gradients_caches_nothing_and_peaks_lower(device: str) -> None:
    model, (x, y) = network(device), batch(device)
    first_order, forward = tracker_for(model, x, y), tracker_for(model, x, y)
    with forward, torch.no_grad():
        nn.functional.cross_entropy(model(x), y)
    with first_order:
        first_order_step(model, x, y)
    assert "activation_cache" not in forward.peak_parts
    assert forward.peak_parts["activations"] == 2 * 256 * 300 * 4, "one layer's input and output"
    assert forward.peak_bytes < first_order.peak_bytes


class Hoarder(nn.Module):
    """Keeps what it computed: for no reason that a meter could know from a name."""

    def __init__(self, inner: nn.Module, *, keep: bool) -> None:
        super().__init__()
        self.inner, self.keep, self.kept = inner, keep, []

    def forward(self, x: Tensor) -> Tensor:
        z = self.inner(x)
        if self.keep:
            self.kept.append(z * 1)
        return z


def test_a_tensor_cached_on_purpose_in_a_forward_pass_raises_the_peak_by_its_size() -> None:
    def peak(*, keep: bool) -> MemoryTracker:
        x, _ = batch()
        model = Hoarder(network(), keep=keep)
        tracker = tracker_for(model, x)
        with tracker, torch.no_grad():
            for _ in range(4):
                model(x)
        return tracker

    lean, hoarding = peak(keep=False), peak(keep=True)
    assert hoarding.peak_bytes == lean.peak_bytes + 3 * 256 * 10 * 4, "three were held when the fourth pass peaked"
    assert hoarding.peak_parts["activations"] > lean.peak_parts["activations"]


def test_the_peak_is_that_of_the_allocator_on_a_network_whose_kernels_use_no_workspace() -> None:
    model, (x, y) = network(), batch()
    outside = sum(p.nbytes for p in model.parameters()) + x.nbytes + y.nbytes
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        first_order_step(model, x, y)
    live = peak = outside
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    model.zero_grad()
    tracker = tracker_for(model, x, y)
    with tracker:
        first_order_step(model, x, y)
    assert (tracker.peak_bytes, tracker.live_bytes) == (peak, live)


@pytest.mark.parametrize("meter", [None, FlopMeter])
def test_a_meta_step_peaks_like_a_real_one(meter: Callable[[], FlopMeter] | None) -> None:
    peaks = []
    for device in ("cpu", "meta"):
        model, (x, y) = network(device), batch(device)
        tracker = tracker_for(model, x, y)
        with tracker:
            if meter is None:
                first_order_step(model, x, y)
            else:
                with meter():
                    first_order_step(model, x, y)
        peaks.append((tracker.peak_bytes, tracker.peak_parts))
    assert peaks[0] == peaks[1]


def test_gradients_are_the_same_bits_inside_and_outside() -> None:
    torch.manual_seed(0)
    inside, (_, y) = network(), batch()
    outside, x = copy.deepcopy(inside), torch.randn(256, 64)
    with MemoryTracker():
        first_order_step(inside, x, y)
    first_order_step(outside, x, y)
    for tracked, plain in zip(inside.parameters(), outside.parameters(), strict=True):
        assert torch.equal(tracked.grad, plain.grad)


def test_second_derivatives_work_inside() -> None:
    x = torch.tensor([2.0], requires_grad=True)
    with MemoryTracker():
        (slope,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), x)
    assert (slope.item(), curvature.item()) == (12.0, 12.0)


def test_changing_a_saved_tensor_in_place_is_still_an_error() -> None:
    x = torch.ones(3, requires_grad=True)
    with MemoryTracker():
        y = x.exp()
        y.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()

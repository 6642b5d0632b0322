"""Models whose initial values other libraries draw, from torch's global generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Inside, torch's global generator on the CPU is seeded by a draw from `generator`; afterwards it is as it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield


def built(make: Callable[[], ModuleT], generator: torch.Generator, device: torch.device) -> ModuleT:
    """What `make` builds, on `device`, with initial values that depend on `generator` alone; on meta without values."""
    if device.type == "meta":
        with device:
            return make()
    with seeded(generator):
        model = make()
    nn.Module.to(model, device)
    return model

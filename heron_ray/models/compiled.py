"""The client's forward passes, compiled by torch.compile.

Compiled code adds in another order than torch's own kernels, so `compute.compile` is part of a trajectory: its losses differ
from eager ones in the last places. Processes on like machines produce the same bits, whether or not they share a cache.

Only batches of the size that the spec asks for are compiled; the whole batch of a smaller shard runs eagerly, since every other
size would cost a compilation of its own. What autograd has to see runs eagerly as well: nothing here is for gradient steps.
Compiled code lies in torch's cache on disk (TORCHINDUCTOR_CACHE_DIR), where later processes find it.
Shapes: B = batch.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.models.forwards import ClientForwards, Forward, eager_forwards
from heron_ray.models.resnet18 import plain_forwards
from heron_ray.models.split import SplitModel

T = TypeVar("T")

_SETTINGS: Final[dict[str, Any]] = {
    "fullgraph": True,
    "dynamic": False,
    "isolate_recompiles": True,  # else all models of a process share one small allowance of compilations
    "options": {"compile_threads": 1},  # a pool of compiler processes would outlive the few kernels it is for
}


def compiled_forwards(model: SplitModel, *, batch_size: int) -> ClientForwards:
    """The same passes, with cross-entropy, compiled into one graph each, which reads theta afresh at every call.

    That happens at the first full batch.

    Args:
        model: Front model and auxiliary head; their parameters may change in place, not move.
        batch_size: B of the batches that are compiled.

    Raises:
        SpecError: There is no C++ compiler.
    """
    _require_compiler()
    eager = eager_forwards(model)
    return ClientForwards(smash=_compiled(eager.smash, batch_size), loss=_compiled(eager.loss, batch_size))


def _compiled(eager: Forward[T], batch_size: int) -> Forward[T]:
    compiled: Forward[T] = torch.compile(eager, **_SETTINGS)

    def forward(x: Tensor, y: Tensor) -> T:
        if len(x) != batch_size:
            return eager(x, y)
        with plain_forwards():  # a compiler saves memory by itself, and a graph cut into chunks takes it longer
            return compiled(x, y)

    return forward


def _require_compiler() -> None:
    """Raise SpecError where there is none. The compiler's own modules take seconds to import, so only those who ask pay."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        message = "torch.compile needs a C++ compiler, and this process finds none"
        hint = "install g++ (or name another compiler in CXX) on every node, or set compute.compile=false"
        raise SpecError([SpecIssue(path="compute.compile", message=message)], hint=hint) from error

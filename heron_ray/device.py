"""How a process computes on a CUDA device: in full float32, and with the same bits every time.

Both are settings of the whole process, and stay. Results have other bits than on the CPU; on devices of one kind, with one
version of torch, they are the same.
"""

from __future__ import annotations

import os
from typing import Final

import torch

from heron_ray.errors import SpecError, SpecIssue

CUBLAS_WORKSPACE: Final = ":4096:8"
"""With it, cuBLAS adds in the same order at every call."""


def use_device(kind: str, *, path: str = "compute.device", hint: str = "set compute.device=cpu") -> None:
    """Prepare this process for tensors on a device of that kind; to be called before any are there.

    Left alone, torch rounds the factors of a convolution to the ten bits of TF32, which is coarser than what a probe moves: at
    mu = 1e-3 the differences of losses are then mostly noise (docs/decisions/0030-full-precision-on-a-card.md).

    Args:
        kind: cpu or cuda.
        path: Where it was asked for.
        hint: What to do where there is none.

    Raises:
        SpecError: There is no CUDA device.
    """
    if kind != "cuda":
        return
    if not torch.cuda.is_available():
        message = "cuda was asked for, but this process sees no CUDA device"
        raise SpecError([SpecIssue(path=path, message=message)], hint=hint)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nobody reads such memory here


def limit_device_memory(share: float) -> None:
    """Let this process take no more than a share of its device's memory, so that those it shares it with have theirs.

    Args:
        share: Of the whole device, above 0; from 1 on, and without a device, nothing is limited.
    """
    if share < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)

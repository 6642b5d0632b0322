"""Counted work: the FLOPs of what runs, operation by operation, from the shapes of its operands.

Only matrix products, convolutions and attention are counted, by the formulas of torch's `FlopCounterMode`, one
multiply-accumulate (MAC) as two
FLOPs; additions, activation functions, normalisation, losses and optimizer updates count nothing. The backward pass is
counted as it runs: a first layer whose input needs no gradient costs one product less than the others.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class FlopMeter(TorchDispatchMode):
    """Adds up the FLOPs of all that runs inside `with meter`, over as many entries as wanted, one after the other.

    Works on any device, meta included, and beside a `MemoryTracker`.

    >>> import torch
    >>> meter = FlopMeter()
    >>> for _ in range(2):
    ...     with meter:
    ...         product = torch.ones(3, 4) @ torch.ones(4, 5)
    >>> meter.flops, meter.macs
    (240, 120)
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: to be skipped by torch's compiler, a mode would import it."""
        return False

    def __init__(self) -> None:
        """Start at zero."""
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        self._flops = 0
        self._is_entered = False

    @property
    def flops(self) -> int:
        """Floating-point operations counted so far."""
        return self._flops

    @property
    def macs(self) -> int:
        """Multiply-accumulates counted so far: half the FLOPs."""
        return self._flops // 2

    def __enter__(self) -> Self:
        """Start counting.

        Raises:
            RuntimeError: The meter is entered already.
        """
        if self._is_entered:
            raise RuntimeError("this FlopMeter is already entered: leave it first, or use another one")
        self._is_entered = True
        super().__enter__()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop counting; what was counted stays, also when this entry ended by an error."""
        super().__exit__(kind, error, traceback)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        self._is_entered = False

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Run one operation, then count it by torch's formula for it, if there is one."""
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self._flops += formula(*args, **(kwargs or {}), out_val=out)
        return out


def count_flops(work: Callable[[], object]) -> int:
    """The FLOPs of one call.

    Args:
        work: Called once, without arguments.

    Returns:
        FLOPs of its matrix products, convolutions and attention.
    """
    with FlopMeter() as meter:
        work()
    return meter.flops

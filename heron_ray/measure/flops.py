"""Counted work: the FLOPs of what runs, operation by operation, from the shapes of its operands.

Only matrix products, convolutions and attention are counted (torch's `FlopCounterMode`), one multiply-accumulate (MAC) as two
FLOPs; additions, activation functions, normalisation, losses and optimizer updates count nothing. The backward pass is
counted as it runs: a first layer whose input needs no gradient costs one product less than the others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from torch.utils.flop_counter import FlopCounterMode


class FlopMeter:
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

    def __init__(self) -> None:
        """Start at zero."""
        self._flops = 0
        self._entered: ExitStack | None = None

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
        if self._entered is not None:
            raise RuntimeError("this FlopMeter is already entered: leave it first, or use another one")
        counter = FlopCounterMode(display=False)
        self._entered = ExitStack()
        self._entered.callback(self._add, counter)
        self._entered.enter_context(counter)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop counting and add this entry's FLOPs, also when it ended by an error."""
        entered, self._entered = self._entered, None
        if entered is not None:
            entered.__exit__(kind, error, traceback)

    def _add(self, counter: FlopCounterMode) -> None:
        self._flops += counter.get_total_flops()


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

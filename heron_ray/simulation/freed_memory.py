"""What tensors free stays with the process while a run goes on.

glibc gives large blocks back to the kernel when they are freed, and the kernel clears every page of the next one: a forward
pass whose activations have megabytes spends a tenth of its time there, in some processes and not in others
(docs/performance.md). Kept, a block is there for the next pass. No bit of a result depends on it.
"""

from __future__ import annotations

import ctypes
from typing import Final

# <malloc.h>
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
KEPT_BYTES: Final = 2**30
"""Blocks up to this size come from the heap, and so much of its end may be free."""


def keep_freed_memory() -> None:
    """From now on this process keeps what is freed. Does nothing where the C library is not glibc."""
    if (mallopt := _function("mallopt")) is not None:
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            mallopt(parameter, KEPT_BYTES)


def return_freed_memory() -> None:
    """Give the kernel what was kept and is free: the process may wait for its next run a long time."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None), name, None)

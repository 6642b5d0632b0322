"""How glibc's allocator serves a process: what tensors free stays while a run goes on, and threads share their arenas.

No bit of a result depends on it. Nothing happens where the C library is not glibc.
"""

from __future__ import annotations

import ctypes
from typing import Final

# <malloc.h>
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
KEPT_BYTES: Final = (2**30, 2**25)
"""Blocks up to this size come from the heap, and so much of its end may be free; an older glibc takes the second at most."""

ARENAS: Final = 2


def keep_freed_memory() -> None:
    """From now on this process keeps what is freed.

    glibc gives large blocks back to the kernel when they are freed, and the kernel clears every page of the next one: a forward
    pass whose activations have megabytes spends a tenth of its time there, in some processes and not in others. Kept, a block
    is there for the next pass (docs/decisions/0027-freed-memory-stays.md).
    """
    # Either setting ends glibc's own adjustment of both, so the second makes things worse where the first is refused.
    if any(_set(M_MMAP_THRESHOLD, size) for size in KEPT_BYTES):
        _set(M_TRIM_THRESHOLD, KEPT_BYTES[0])


def return_freed_memory() -> None:
    """Give the kernel what was kept and is free: the process may wait for its next run a long time."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def share_arenas() -> None:
    """Have the threads of this process allocate from two arenas in place of eight per core; to be called before they start.

    Where threads come and go, each arena otherwise collects freed pieces that the others cannot use, and the process grows.
    """
    _set(M_ARENA_MAX, ARENAS)


def _set(parameter: int, value: int) -> bool:
    """Whether the C library has taken it."""
    mallopt = _function("mallopt")
    return mallopt is not None and mallopt(parameter, value) == 1


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None), name, None)

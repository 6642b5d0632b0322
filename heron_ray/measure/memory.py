"""Tracked memory: the bytes of live tensor storages, their peak, and what the peak is made of.

`MemoryTracker` watches every tensor operation below autograd, so it sees what a training step really holds,
whoever wrote it: nothing here knows a method's name. It counts storages, not tensors (views, in-place results and
`detach` cost nothing), in requested bytes, equally on CPU, CUDA and meta devices. It does not see what one kernel allocates
and frees inside itself (a convolution's or cuBLAS's workspace), an allocator's rounding, or non-tensor memory.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakIdKeyDictionary

ACTIVATIONS: Final = "activations"
ACTIVATION_CACHE: Final = "activation_cache"
GRADIENTS: Final = "gradients"


@dataclass(slots=True)
class _Storage:
    """What is known of one live storage; `part` is None for one that was made elsewhere and is not counted."""

    size_bytes: int
    part: str | None
    reference: weakref.ref[torch.UntypedStorage]


class MemoryTracker(TorchDispatchMode):
    """Tracks the bytes of live tensor storages while entered; may be entered many times, one after the other.

    A storage counts if an operation made it inside `with tracker`, or if it was labelled. It stops counting when it is
    freed, inside or outside. It belongs to one part for its whole life, also in a peak reached before it was named:

    - the part it was last labelled with, else
    - `gradients`, if it became the `.grad` of a leaf tensor used inside, else
    - `activation_cache`, if autograd saved it for the backward pass, else
    - `activations`.

    A `.grad` held from before the tracker was entered counts only if labelled. `torch.func.grad` and its kin cannot run
    inside (torch refuses them under saved-tensor hooks); `torch.func.vmap` can.

    >>> tracker = MemoryTracker()
    >>> x = torch.zeros(256)
    >>> tracker.label(x, "input")
    >>> with tracker:
    ...     y = (x + 1).relu_()
    >>> tracker.peak_bytes, tracker.peak_parts
    (2048, {'activations': 1024, 'input': 1024})
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: to be skipped by torch's compiler, a mode would import it."""
        return False

    def __init__(self) -> None:
        """Start with nothing tracked."""
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        self._storages: dict[int, _Storage] = {}
        self._leaves = WeakIdKeyDictionary()
        self._handles: list[RemovableHandle] = []
        self._saving: saved_tensors_hooks | None = None
        self._live_bytes = 0
        self._peak_bytes = 0
        self._saved_bytes = 0
        self._peak: list[tuple[_Storage, int]] = []

    @property
    def live_bytes(self) -> int:
        """Bytes counted now."""
        return self._live_bytes

    @property
    def peak_bytes(self) -> int:
        """The largest number of bytes counted at any one moment so far."""
        return self._peak_bytes

    @property
    def saved_bytes(self) -> int:
        """Bytes of the tensors that autograd saved for a backward pass, each time that it did: 0 where no graph was built."""
        return self._saved_bytes

    @property
    def peak_parts(self) -> dict[str, int]:
        """The bytes of each part when the peak was first reached, largest first; they add up to `peak_bytes`."""
        parts: Counter[str] = Counter()
        for storage, size_bytes in self._peak:
            parts[storage.part or ACTIVATIONS] += size_bytes
        ranked = sorted(parts.items(), key=lambda item: (-item[1], item[0]))
        return {part: size_bytes for part, size_bytes in ranked if size_bytes}

    def label(self, tensor: Tensor, part: str) -> None:
        """Count a tensor's storage from now on (if it is not yet) and name the part it belongs to.

        Args:
            tensor: Any strided tensor, of any shape; all tensors that share its storage are labelled with it.
            part: For example `parameters`, `optimizer_state`, `input` or `directions`.
        """
        storage = self._find(tensor.untyped_storage(), part)
        if storage.part is None:
            self._live_bytes += storage.size_bytes
        storage.part = part
        if tensor.requires_grad and tensor.is_leaf:
            self._watch(tensor)
        self._update_peak()

    def relabel(self, tensor: Tensor, part: str) -> None:
        """Name the part of a tensor that is counted already, such as the smashed data once it is known to be that.

        Args:
            tensor: A tensor that was labelled or made inside the tracker.
            part: Its new part.

        Raises:
            ValueError: The tensor is not counted.
        """
        storage = self._storages.get(id(tensor.untyped_storage()))
        if storage is None or storage.part is None:
            shape = tuple(tensor.shape)
            raise ValueError(f"a tensor of shape {shape} is not tracked and cannot become {part!r}: use label to count it")
        storage.part = part

    def __enter__(self) -> Self:
        """Start watching.

        Raises:
            RuntimeError: The tracker is entered already.
        """
        if self._saving is not None:
            raise RuntimeError("this MemoryTracker is already entered: leave it first, or use another one")
        self._saving = saved_tensors_hooks(self._pack, _unpack)
        self._saving.__enter__()
        for leaf in list(self._leaves):
            self._hook(leaf)
        super().__enter__()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop watching; what is still alive stays counted until it is freed."""
        super().__exit__(kind, error, traceback)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        while self._handles:
            self._handles.pop().remove()
        if self._saving is not None:
            self._saving.__exit__(kind, error, traceback)
            self._saving = None

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Run one operation, then count the storages it made."""
        kwargs = kwargs or {}
        if func is not torch.ops.aten.lift_fresh.default:  # its input is its output, and new: torch.tensor(...)
            for tensor in _tensors((args, kwargs)):
                self._find(tensor.untyped_storage(), None)
                if tensor.requires_grad and tensor.is_leaf and torch.is_grad_enabled():
                    self._watch(tensor)
        out = func(*args, **kwargs)
        for tensor in _tensors(out):
            self._measure(tensor.untyped_storage())
        self._update_peak()
        return out

    def _find(self, storage: torch.UntypedStorage, part: str | None) -> _Storage:
        """The entry of a storage, made with `part` if it is new."""
        key = id(storage)
        entry = self._storages.get(key)
        if entry is None:
            tracker = weakref.ref(self)

            def freed(_: weakref.ref[torch.UntypedStorage]) -> None:
                if (owner := tracker()) is not None:
                    owner._forget(key)

            entry = _Storage(storage.nbytes(), part, weakref.ref(storage, freed))
            self._storages[key] = entry
            if part is not None:
                self._live_bytes += entry.size_bytes
        return entry

    def _forget(self, key: int) -> None:
        entry = self._storages.pop(key)
        if entry.part is not None:
            self._live_bytes -= entry.size_bytes

    def _measure(self, storage: torch.UntypedStorage) -> None:
        """Count an operation's result if it is new, and its growth if the operation resized it."""
        entry = self._find(storage, ACTIVATIONS)
        size_bytes = storage.nbytes()
        if entry.part is not None:
            self._live_bytes += size_bytes - entry.size_bytes
        entry.size_bytes = size_bytes

    def _update_peak(self) -> None:
        """Keep what is alive now if it is more than ever before."""
        if self._live_bytes > self._peak_bytes:
            # The copy is made in one step: freeing a reference cycle may change the table at any allocation.
            counted = [entry for entry in list(self._storages.values()) if entry.part is not None]
            self._peak = [(entry, entry.size_bytes) for entry in counted]
            self._peak_bytes = sum(size_bytes for _, size_bytes in self._peak)

    def _pack(self, tensor: Tensor) -> tuple[Tensor, int]:
        """Note that autograd saves a tensor; keep its version, to be checked when it is used."""
        self._saved_bytes += tensor.nbytes
        self._name(tensor, ACTIVATION_CACHE, instead_of=(ACTIVATIONS,))
        return tensor, tensor._version

    def _watch(self, leaf: Tensor) -> None:
        """Name the gradient that a leaf tensor will be given."""
        if leaf not in self._leaves:
            self._leaves[leaf] = None
            if self._saving is not None:
                self._hook(leaf)

    def _hook(self, leaf: Tensor) -> None:
        handle = leaf.register_post_accumulate_grad_hook(self._accumulated)
        self._handles.append(handle)

    def _accumulated(self, leaf: Tensor) -> None:
        if leaf.grad is not None:
            self._name(leaf.grad, GRADIENTS, instead_of=(ACTIVATIONS, ACTIVATION_CACHE))

    def _name(self, tensor: Tensor, part: str, instead_of: tuple[str, ...]) -> None:
        entry = self._storages.get(id(tensor.untyped_storage()))
        if entry is not None and entry.part in instead_of:
            entry.part = part


def _unpack(saved: tuple[Tensor, int]) -> Tensor:
    """Give a saved tensor back, with the check that autograd leaves out where tensors are packed by hooks."""
    tensor, version = saved
    if tensor._version != version:
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"a tensor of shape {tuple(tensor.shape)} is at version {tensor._version}; expected version {version} instead"
        )
    return tensor


def _tensors(tree: object) -> Iterator[Tensor]:
    return (leaf for leaf in tree_iter(tree) if isinstance(leaf, Tensor))

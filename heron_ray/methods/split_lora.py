"""SplitLoRA (arXiv 2407.00952): SplitFed V2 on low-rank adapters."""

from __future__ import annotations

from heron_ray.methods.sflv2 import SplitFed
from heron_ray.spec.method import SplitLoraMethod


class SplitLora(SplitFed[SplitLoraMethod]):
    """The box of SplitFed V2, where the parameters of front and back model are the adapters of `model.lora` alone.

    The weights they adapt are constants: they keep their initial values, on the main server as well, and never travel.
    """

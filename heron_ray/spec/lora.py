"""`model.lora`: low-rank adapters in the place of trained weights."""

from __future__ import annotations

from pydantic import Field

from heron_ray.spec.section import Section


class LoraSpec(Section):
    """Adapters of rank r beside every layer of front and back; the weights they adapt keep their initial values."""

    rank: int = Field(default=4, ge=1, le=100_000, description="Rank r of every adapter.")
    alpha: float = Field(default=32.0, gt=0, le=1e6, description="Adapters are scaled by alpha / r.")

"""`data`: which samples the clients hold and the experiment is judged on."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section


class DigitsData(Section):
    """scikit-learn's 1,797 real 8x8 images of handwritten digits, split once and for all into 1,077/360/360."""

    kind: Literal["digits"] = Field(description="scikit-learn's handwritten digits.")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: 64 grey levels."""
        return (64,)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return 10


class SyntheticData(Section):
    """Gaussian clusters, one per class: as many samples as wanted, for scale and cost studies."""

    kind: Literal["synthetic"] = Field(description="Gaussian clusters around one random centre per class.")
    samples: int = Field(default=10_000, ge=100, le=100_000_000, description="Training samples.")
    features: int = Field(default=64, ge=1, le=1_000_000, description="Numbers per sample.")
    classes: int = Field(default=10, ge=2, le=100_000, description="Number of classes.")
    spread: float = Field(
        default=1.0, gt=0, le=1e3, description="Standard deviation of a cluster; the centres' coordinates have 1."
    )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return (self.features,)


DataSpec: TypeAlias = Annotated[DigitsData | SyntheticData, Field(discriminator="kind")]

"""What every `data` section says about its samples before any are there."""

from __future__ import annotations

from typing import ClassVar

from heron_ray.spec.section import Section


class Samples(Section):
    """The base of the `data` sections. A section that differs from what stands here says so."""

    is_text: ClassVar[bool] = False
    """Whether a sample is a sequence of tokens, each of which has the next one as its label."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its samples are")

    @property
    def target_shape(self) -> tuple[int, ...]:
        """Shape of one sample's label: a number, or as many as the sample has tokens."""
        return self.input_shape if self.is_text else ()

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of the image that a sample is; None where it is none."""
        return None

    @property
    def names_makers(self) -> bool:
        """Whether the data say who made each sample."""
        return False

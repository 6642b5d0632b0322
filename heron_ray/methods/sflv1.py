"""SplitFed V1 (Thapa et al., arXiv 2004.12088): as V2, with a copy of the back model for every client."""

from __future__ import annotations

from typing import ClassVar

from heron_ray.methods.sflv2 import SplitFed
from heron_ray.spec.method import SflV1Method


class SflV1(SplitFed[SflV1Method]):
    """The box of SplitFed V2 with back_i, a copy of the back model, in the place of back.

    After the round the back model is the mean of the back_i. In a real deployment the copies run side by side.
    """

    server_copies: ClassVar[bool] = True

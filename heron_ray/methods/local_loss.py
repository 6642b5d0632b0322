"""Local-loss split learning (Han et al., 2021): decoupled by an auxiliary loss, with one server copy per client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from heron_ray.methods.cse_fsl import AuxiliaryLoss
from heron_ray.methods.method import Fate
from heron_ray.models.split import Part
from heron_ray.spec.method import LocalLossMethod


class LocalLoss(AuxiliaryLoss[LocalLossMethod]):
    """The box of CSE-FSL with an upload at every step and back_i, a copy of the back model, for every client.

    The main server steps back_i on CE(back_i(z), y); after the round the back model is the mean of the back_i.
    """

    stacks: ClassVar[bool] = True
    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED, "auxiliary": Fate.AVERAGED}
    server_copies: ClassVar[bool] = True

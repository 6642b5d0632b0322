"""CSE-FSL (arXiv 2507.15816): HERON's first-order twin. The client backpropagates its auxiliary loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from torch import Tensor

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, Method, Upload, is_upload_step
from heron_ray.models import stacked
from heron_ray.models.split import Part, SplitModel
from heron_ray.optimizers import whole
from heron_ray.spec.method import CseFslMethod, FslSageMethod, LocalLossMethod

AuxiliaryLossSection = TypeVar("AuxiliaryLossSection", bound=CseFslMethod | FslSageMethod | LocalLossMethod)


class AuxiliaryLoss(Method[AuxiliaryLossSection]):
    """Per client and round, with theta = `trained`:

        for step in 1..h:
            z = front(x);  l = CE(auxiliary(z), y)
            every k-th step (where the method has no k: every step): upload (z, y)
            theta = optimizer(theta, grad l)

    Attributes:
        trained: The leading parts that the client trains.
    """  # noqa: D415 - the summary line introduces the box

    trained: ClassVar[tuple[Part, ...]] = ("front", "auxiliary")

    def client_round(self, client: Client) -> ClientRound:
        """The client's side of the box above."""
        model, gradient = client.model, client.vector.gradient(self.trained)
        theta = client.vector.data[..., : gradient.shape[-1]]
        optimizer = client.optimizer(self.spec.client_optimizer)
        upload_every = getattr(self.spec, "upload_every", 1)
        total = client.zeros()
        for step in range(client.steps):
            x, y = client.batch(step)
            z = model.front(x)
            loss = stacked.cross_entropy(model.auxiliary(z), y)
            if is_upload_step(step, upload_every):
                yield Upload(z=z.detach(), y=y)
            del z
            gradient.zero_()
            stacked.backward(loss)
            optimizer.step(theta, whole(gradient))
            total += loss.detach()
        return ClientUpdate(loss=total / client.steps, state=optimizer.state)

    def losses(self, model: SplitModel, x: Tensor, y: Tensor) -> Tensor:
        """Of the auxiliary head."""
        return stacked.losses(model.auxiliary(model.front(x)), y)


class CseFsl(AuxiliaryLoss[CseFslMethod]):
    """The box above with theta = {front, auxiliary}, both averaged over the clients after the round."""

    stacks: ClassVar[bool] = True
    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED, "auxiliary": Fate.AVERAGED}

"""Local-loss split learning (Han et al., 2021): decoupled by an auxiliary loss, with one server copy per client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch.nn import functional

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, Method, Upload
from heron_ray.models.split import Part
from heron_ray.optimizers import whole
from heron_ray.spec.method import LocalLossMethod


class LocalLoss(Method[LocalLossMethod]):
    """Per client and round, with theta = {front, auxiliary} and back_i a copy of the back model:

        for step in 1..h:
            z = front(x);  upload (z, y);  the main server steps back_i on CE(back_i(z), y)
            theta = optimizer(theta, grad CE(auxiliary(z), y))

    After the round the back model is the mean of the back_i.
    """  # noqa: D415 - the summary line introduces the box

    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED, "auxiliary": Fate.AVERAGED}
    server_copies: ClassVar[bool] = True

    def client_round(self, client: Client) -> ClientRound:
        """The client's side of the box above."""
        model, theta = client.model, client.vector.data
        gradient = client.vector.gradient()
        optimizer = client.optimizer(self.spec.client_optimizer)
        total = torch.zeros((), device=theta.device)
        for step in range(client.steps):
            x, y = client.batch(step)
            z = model.front(x)
            yield Upload(z=z.detach(), y=y)
            loss = functional.cross_entropy(model.auxiliary(z), y)
            del z
            gradient.zero_()
            torch.autograd.backward(loss)
            optimizer.step(theta, whole(gradient))
            total += loss.detach()
        return ClientUpdate(loss=total / client.steps, state=optimizer.state)

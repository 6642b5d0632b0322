"""CSE-FSL (arXiv 2507.15816): HERON's first-order twin. The client backpropagates its auxiliary loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch.nn import functional

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, Method, Upload, is_upload_step
from heron_ray.models.split import Part
from heron_ray.optimizers import whole
from heron_ray.spec.method import CseFslMethod


class CseFsl(Method[CseFslMethod]):
    """Per client and round, with theta = {front, auxiliary}:

    for step in 1..h:
        z = front(x);  l = CE(auxiliary(z), y)
        every k-th step: upload (z, y)
        theta = optimizer(theta, grad l)
    """  # noqa: D415 - the summary line introduces the box

    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED, "auxiliary": Fate.AVERAGED}

    def client_round(self, client: Client) -> ClientRound:
        """The box above."""
        model, theta = client.model, client.vector.data
        gradient = client.vector.gradient()
        optimizer = client.optimizer(self.spec.client_optimizer)
        total = torch.zeros((), device=theta.device)
        for step in range(client.steps):
            x, y = client.batch(step)
            z = model.front(x)
            loss = functional.cross_entropy(model.auxiliary(z), y)
            if is_upload_step(step, self.spec.upload_every):
                yield Upload(z=z.detach(), y=y)
            del z
            gradient.zero_()
            torch.autograd.backward(loss)
            optimizer.step(theta, whole(gradient))
            total += loss.detach()
        return ClientUpdate(loss=total / client.steps, state=optimizer.state)

"""SplitFed V2 (Thapa et al., arXiv 2004.12088): the main server returns dL/dz, serving one client after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, MainServer, Method, Reply, Upload
from heron_ray.models.split import Part
from heron_ray.optimizers import whole
from heron_ray.spec.method import SflV1Method, SflV2Method, SplitLoraMethod

SplitFedSection = TypeVar("SplitFedSection", bound=SflV1Method | SflV2Method | SplitLoraMethod)


class SplitFed(Method[SplitFedSection]):
    """Per client and round, with theta = {front}; there is no auxiliary head:

        for step in 1..h:
            z = front(x);  upload (z, y);  the main server steps on CE(back(z), y) and returns dL/dz
            theta = optimizer(theta, (dz/dtheta)^T dL/dz)

    The client knows no loss of its own.
    """  # noqa: D415 - the summary line introduces the box

    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED}
    reply: ClassVar[Reply | None] = "gradients"

    def client_round(self, client: Client) -> ClientRound:
        """The client's side of the box above."""
        theta = client.vector.data
        gradient = client.vector.gradient()
        optimizer = client.optimizer(self.spec.client_optimizer)
        for step in range(client.steps):
            x, y = client.batch(step)
            z = client.model.front(x)
            dz = yield Upload(z=z.detach(), y=y)
            gradient.zero_()
            torch.autograd.backward(z, dz)
            del z, dz
            optimizer.step(theta, whole(gradient))
        return ClientUpdate(state=optimizer.state)

    def server_step(self, server: MainServer, upload: Upload) -> tuple[Tensor, Tensor | None]:
        """The main server's side: step, and return dL/dz."""
        return step_and_return_gradient(server, upload)


class SflV2(SplitFed[SflV2Method]):
    """SplitFed with one back model, which all clients of the cohort train in turn."""


def step_and_return_gradient(server: MainServer, upload: Upload) -> tuple[Tensor, Tensor | None]:
    """One gradient step of the main server; returns its loss, and dL/dz [B, *cut] before the step."""
    upload.z.requires_grad_(True)
    loss = server.step(upload)
    return loss, upload.z.grad

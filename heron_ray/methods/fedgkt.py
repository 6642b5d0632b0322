"""FedGKT (He et al., arXiv 2007.14513): client and main server teach each other by logits; no model travels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, MainServer, Method, Reply, Upload
from heron_ray.models.split import Part
from heron_ray.optimizers import whole
from heron_ray.spec.method import FedGktMethod


class FedGkt(Method[FedGktMethod]):
    """Per client and round, with theta = {front, auxiliary}, which stays with the client, and

        KD(a, b) = T^2 KL(softmax(b / T) || softmax(a / T)):

        for step in 1..h:
            c = auxiliary(front(x))
            theta = optimizer(theta, grad [CE(c, y) + w KD(c, s)])         s: the server's logits for x, where there are any
        for step in 1..h, on the same batches:
            z = front(x);  c = auxiliary(z);  upload (z, c, y)
            the main server steps on CE(back(z), y) + w KD(back(z), c) and returns s = back(z), from before its step

    The client keeps s for its next round.
    """  # noqa: D415 - the summary line introduces the box

    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.PERSONAL, "auxiliary": Fate.PERSONAL}
    reply: ClassVar[Reply | None] = "logits"

    def client_round(self, client: Client) -> ClientRound:
        """The client's side of the box above."""
        model, theta = client.model, client.vector.data
        gradient = client.vector.gradient()
        optimizer = client.optimizer(self.spec.client_optimizer)
        known, taught = client.memory.get("known"), client.memory.get("server_logits")
        total = torch.zeros((), device=theta.device)
        for step in range(client.steps):
            x, y = client.batch(step)
            logits = model.auxiliary(model.front(x))
            loss = functional.cross_entropy(logits, y)
            if known is not None and taught is not None:
                rows = client.positions(step)
                loss = loss + self._distil(logits, taught[rows], known[rows])
            gradient.zero_()
            torch.autograd.backward(loss)
            optimizer.step(theta, whole(gradient))
            total += loss.detach()
            del x, y, logits, loss
        for step in range(client.steps):
            x, y = client.batch(step)
            with torch.no_grad(), client.vector.hold_statistics():
                z = model.front(x)
                logits = model.auxiliary(z)
            answer = yield Upload(z=z, y=y, also={"logits": logits})
            assert answer is not None  # noqa: S101 - a coupled method is answered
            if known is None or taught is None:
                known = torch.zeros(client.samples, device=theta.device)
                taught = torch.zeros(client.samples, answer.shape[1], device=theta.device)
            rows = client.positions(step)
            known[rows] = 1.0
            taught[rows] = answer
            del x, y, z, logits
        memory = {"known": known, "server_logits": taught} if known is not None and taught is not None else {}
        return ClientUpdate(loss=total / client.steps, state=optimizer.state, memory=memory)

    def server_step(self, server: MainServer, upload: Upload) -> tuple[Tensor, Tensor | None]:
        """The main server's side of the box above."""
        logits = server.logits(upload.z)
        every = torch.ones(len(upload.y), device=logits.device)
        loss = functional.cross_entropy(logits, upload.y) + self._distil(logits, upload.also["logits"], every)
        server.descend(loss)
        return loss.detach(), logits.detach()

    def _distil(self, logits: Tensor, teacher: Tensor, known: Tensor) -> Tensor:
        """W KD(logits, teacher), the mean over the batch; a sample counts where `known` [B] is 1."""
        t = self.spec.temperature
        learned, taught = functional.log_softmax(logits / t, dim=1), functional.log_softmax(teacher / t, dim=1)
        divergence = functional.kl_div(learned, taught, reduction="none", log_target=True)
        return self.spec.distillation * t**2 * (divergence.sum(dim=1) * known).mean()

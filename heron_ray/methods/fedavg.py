"""FedAvg (McMahan et al., arXiv 1602.05629): clients train the whole model by backpropagation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, Method
from heron_ray.models import stacked
from heron_ray.models.split import Part
from heron_ray.optimizers import whole
from heron_ray.spec.method import FedAvgMethod


class FedAvg(Method[FedAvgMethod]):
    """Per client and round, with theta = {front, back}; there is no main server and no auxiliary head:

    for step in 1..h:
        theta = optimizer(theta, grad CE(back(front(x)), y))
    """  # noqa: D415 - the summary line introduces the box

    stacks: ClassVar[bool] = True
    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED, "back": Fate.AVERAGED}

    def client_round(self, client: Client) -> ClientRound:
        """The box above."""
        model, theta = client.model, client.vector.data
        gradient = client.vector.gradient()
        optimizer = client.optimizer(self.spec.client_optimizer)
        total = client.zeros()
        for step in range(client.steps):
            x, y = client.batch(step)
            loss = stacked.cross_entropy(model.back(model.front(x)), y)
            gradient.zero_()
            stacked.backward(loss)
            optimizer.step(theta, whole(gradient))
            total += loss.detach()
        return ClientUpdate(loss=total / client.steps, state=optimizer.state)
        yield  # a client that sends nothing before its update is a generator all the same

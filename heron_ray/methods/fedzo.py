"""FedZO (Fang et al., arXiv 2201.09531): clients train the whole model by forward passes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, Method
from heron_ray.models.objectives import objective_of
from heron_ray.models.split import Part
from heron_ray.spec.method import FedZoMethod
from heron_ray.zo import ZerothOrderEstimator


class FedZo(Method[FedZoMethod]):
    """Per client and round, with theta = {front, back} of P parameters and q probes; there is no main server:

    for step in 1..h:
        l(theta) = CE(back(front(x)), y)                                      or another objective
        g = (1/q) sum_p  s [l(theta + mu u_p) - l(theta)] / mu * u_p          s = P on the unit sphere, else 1
        theta = optimizer(theta, g)
    """  # noqa: D415 - the summary line introduces the box

    stacks: ClassVar[bool] = True
    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED, "back": Fate.AVERAGED}

    def client_round(self, client: Client) -> ClientRound:
        """The box above."""
        spec, model, theta = self.spec, client.model, client.vector.data
        objective = objective_of(spec)
        optimizer = client.optimizer(spec.client_optimizer)
        estimator = ZerothOrderEstimator(spec.zeroth_order, client.vector)
        total = client.zeros()
        for step in range(client.steps):
            x, y = client.batch(step)

            def loss(x: Tensor = x, y: Tensor = y) -> Tensor:
                return objective(model.back(model.front(x)), y)

            loss_at_theta = loss()
            seeds = client.direction_seeds(step, spec.zeroth_order.probes)
            coefficients = estimator.probe(loss, loss_at_theta, seeds)
            client.tell(coefficients)
            optimizer.step(theta, estimator.gradient(seeds, coefficients))
            total += loss_at_theta
            del x, y, loss  # before the next batch comes
        return ClientUpdate(loss=total / client.steps, state=optimizer.state)
        yield  # a client that sends nothing before its update is a generator all the same

"""HO-SFL (Chen et al., ICML 2026, arXiv 2603.14773): the main server's dL/dz, met by forward passes on the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from heron_ray.methods.method import (
    Client,
    ClientRound,
    ClientUpdate,
    Exchange,
    Fate,
    MainServer,
    Method,
    Reply,
    Upload,
    direction_seeds,
)
from heron_ray.methods.sflv2 import step_and_return_gradient
from heron_ray.models.split import Part
from heron_ray.spec.method import HoSflMethod
from heron_ray.zo import ZerothOrderEstimator

ALL_CLIENTS = -1
"""In the place of a client's number, in the seeds of directions that all clients share."""


class HoSfl(Method[HoSflMethod]):
    """Per round, all clients together, with theta = {front} the same on all of them and q probes:

        for step in 1..h:
            z = front(x);  upload (z, y);  the main server steps on CE(back(z), y) and returns dL/dz
            v_p = <dL/dz, front(x; theta + mu u_p) - z>              u_p drawn from seeds that all clients share
            exchange s v_p / (mu q) for its mean c_p over the clients                s = P on the unit sphere, else 1
            theta = optimizer(theta, sum_p c_p u_p)

    Because every client takes the same step, no parameters travel. The client knows no loss of its own.
    """  # noqa: D415 - the summary line introduces the box

    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.REPLAYED}
    reply: ClassVar[Reply | None] = "gradients"

    def client_round(self, client: Client) -> ClientRound:
        """The clients' side of the box above."""
        spec, front, theta = self.spec.zeroth_order, client.model.front, client.vector.data
        optimizer = client.optimizer(self.spec.client_optimizer)
        estimator = ZerothOrderEstimator(spec, client.vector)
        nothing = torch.zeros((), device=theta.device)
        for step in range(client.steps):
            x, y = client.batch(step)
            z = front(x)
            dz = yield Upload(z=z, y=y)
            assert dz is not None  # noqa: S101 - a coupled method is answered

            def along(x: Tensor = x, z: Tensor = z, dz: Tensor = dz) -> Tensor:
                return torch.dot(dz.flatten(), front(x).sub_(z).flatten())

            seeds = direction_seeds(client.seed, client.round, ALL_CLIENTS, step, spec.probes)
            own = estimator.probe(along, nothing, seeds)
            client.tell(own)
            del x, z, dz, along
            mean = yield Exchange(scalars=torch.stack(own), seeds=len(seeds))
            assert mean is not None  # noqa: S101 - an exchange is answered
            optimizer.step(theta, estimator.gradient(seeds, mean.unbind()))
        return ClientUpdate()

    def server_step(self, server: MainServer, upload: Upload) -> tuple[Tensor, Tensor | None]:
        """The main server's side: step, and return dL/dz."""
        return step_and_return_gradient(server, upload)

"""MU-SplitFed (arXiv 2510.21155): zeroth order on both sides of the cut, several server steps per upload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, MainServer, Method, Reply, Upload
from heron_ray.models import stacked
from heron_ray.models.split import Part
from heron_ray.seeds import Purpose, derive
from heron_ray.spec.method import MuSplitFedMethod
from heron_ray.zo import ZerothOrderEstimator


class MuSplitFed(Method[MuSplitFedMethod]):
    """Per client and round, with theta = {front} of P parameters and L(z) = CE(back(z), y):

        for step in 1..h:
            z, z+, z- = front(x) at theta, theta + mu u, theta - mu u
            upload (z, z+, z-, y);  the main server returns delta = L(z+) - L(z-), then takes tau zeroth-order steps on L(z)
            theta = optimizer(theta, s delta / (2 mu) u)                               s = P on the unit sphere, else 1

    The client knows no loss of its own.
    """  # noqa: D415 - the summary line introduces the box

    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED}
    reply: ClassVar[Reply | None] = "scalars"

    def client_round(self, client: Client) -> ClientRound:
        """The client's side of the box above."""
        spec, theta = self.spec, client.vector.data
        optimizer = client.optimizer(spec.client_optimizer)
        estimator = ZerothOrderEstimator(spec.zeroth_order, client.vector)
        for step in range(client.steps):
            x, y = client.batch(step)

            def front(x: Tensor = x) -> Tensor:
                z: Tensor = client.model.front(x)
                return z

            seeds = client.direction_seeds(step, 1)
            z = front()
            above, below = estimator.outputs(front, seeds[0])
            delta = yield Upload(z=z, y=y, also={"smashed_above": above, "smashed_below": below})
            assert delta is not None  # noqa: S101 - a coupled method is answered
            del x, y, front, z, above, below
            coefficients = [estimator.coefficient(delta)]
            client.tell(coefficients)
            optimizer.step(theta, estimator.gradient(seeds, coefficients))
        return ClientUpdate(state=optimizer.state)

    def server_step(self, server: MainServer, upload: Upload) -> tuple[Tensor, Tensor | None]:
        """The main server's side of the box above."""

        def loss(z: Tensor = upload.z) -> Tensor:
            return stacked.cross_entropy(server.back(z), upload.y)

        with server.vector.hold_statistics():
            delta = loss(upload.also["smashed_above"]) - loss(upload.also["smashed_below"])
        spec = self.spec.server_zeroth_order
        estimator = ZerothOrderEstimator(spec, server.vector)
        first = torch.zeros(())
        for step in range(self.spec.server_steps):
            place = (server.round, server.client, server.upload, step)
            seeds = [derive(server.seed, Purpose.SERVER_DIRECTION, *place, probe) for probe in range(spec.probes)]
            before = loss()
            server.optimizer.step(server.vector.data, estimator.gradient(seeds, estimator.probe(loss, before, seeds)))
            first = before if step == 0 else first
        return first, delta

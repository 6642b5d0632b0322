"""HERON-SFL (arXiv 2601.09076): zeroth-order clients, a first-order main server, no gradient on the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, Method, Script, Upload, is_upload_step
from heron_ray.models import stacked
from heron_ray.models.objectives import objective_of
from heron_ray.models.split import Part, SplitModel
from heron_ray.optimizers import make_optimizer
from heron_ray.spec.method import HeronMethod
from heron_ray.vectors import FlatVector
from heron_ray.zo import Seed, ZerothOrderEstimator


class Heron(Method[HeronMethod]):
    """Per client and round, with theta = {front, auxiliary} of P parameters and q probes (equation 2):

        for step in 1..h:
            z = front(x);  l_0 = CE(auxiliary(z), y)                          or another objective
            every k-th step: upload (z, y); z is released before the first probe
            g = (1/q) sum_p  s [l(theta + mu u_p) - l_0] / mu * u_p          s = P on the unit sphere, else 1
            theta = optimizer(theta, g)

    Parameters never require gradients, so no autograd graph is built. With central differences l_0 serves only the
    upload and the reported loss. With `upload: scalars` the seeds of all u_p and the factors before them go up in place of
    theta: they tell the round completely.
    """  # noqa: D415 - the summary line introduces the box

    stacks: ClassVar[bool] = True
    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED, "auxiliary": Fate.AVERAGED}

    def client_round(self, client: Client) -> ClientRound:
        """The box above."""
        spec, forwards, theta = self.spec, client.forwards(objective_of(self.spec)), client.vector.data
        optimizer = client.optimizer(spec.client_optimizer)
        estimator = ZerothOrderEstimator(spec.zeroth_order, client.vector)
        told_seeds: list[Seed] = []
        told_coefficients: list[Tensor] = []
        total = client.zeros()
        for step in range(client.steps):
            x, y = client.batch(step)

            def loss(x: Tensor = x, y: Tensor = y) -> Tensor:
                return forwards.loss(x, y)

            z, loss_at_theta = forwards.smash(x, y)
            if is_upload_step(step, spec.upload_every):
                yield Upload(z=z, y=y)
            del z
            seeds = client.direction_seeds(step, spec.zeroth_order.probes)
            coefficients = estimator.probe(loss, loss_at_theta, seeds)
            client.tell(coefficients)
            optimizer.step(theta, estimator.gradient(seeds, coefficients))
            if spec.upload == "scalars":
                told_seeds += seeds
                told_coefficients += coefficients
            total += loss_at_theta
            del x, y, loss  # before the next batch comes
        script = Script(seeds=told_seeds, coefficients=torch.stack(told_coefficients)) if told_coefficients else None
        return ClientUpdate(loss=total / client.steps, state=optimizer.state, script=script)

    def losses(self, model: SplitModel, x: Tensor, y: Tensor) -> Tensor:
        """Of the auxiliary head."""
        return stacked.losses(model.auxiliary(model.front(x)), y)

    def replay(self, vector: FlatVector, script: Script) -> None:
        """The steps of the box again, without data, forward passes or losses: the same bits."""
        optimizer = make_optimizer(self.spec.client_optimizer)
        estimator = ZerothOrderEstimator(self.spec.zeroth_order, vector)
        coefficients = script.coefficients.unbind()
        q = self.spec.zeroth_order.probes
        for start in range(0, len(script.seeds), q):
            step = slice(start, start + q)
            estimator.replay(script.seeds[step])
            optimizer.step(vector.data, estimator.gradient(script.seeds[step], coefficients[step]))

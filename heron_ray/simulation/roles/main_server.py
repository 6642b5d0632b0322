"""The main server: trains the back model on smashed data, in canonical client order, and judges the global model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from heron_ray.measure.accuracy import evaluate
from heron_ray.methods import MainServer as MethodServer
from heron_ray.methods import Upload, make_method
from heron_ray.optimizers import make_optimizer
from heron_ray.simulation.messages import Uploads
from heron_ray.simulation.setup import Setup
from heron_ray.vectors import FlatVector, Float32Array


class MainServer:
    """Holds the back model and its optimizer, and a copy of the client's parts for evaluation."""

    def __init__(self, setup: Setup) -> None:
        """Build the model and the method."""
        self._setup = setup
        self._method = make_method(setup.spec.method)
        self._model = setup.build_model()
        self._device = torch.device(setup.spec.compute.device)
        self._client_vector = FlatVector(self._model.parts(self._method.client_parts))
        self._server = MethodServer(
            back=self._model.back,
            vector=FlatVector({"back": self._model.back}),
            optimizer=make_optimizer(self._method.spec.server_optimizer),
        )
        self._losses: list[Tensor] = []

    def consume(self, uploads: Uploads | None) -> Float32Array | None:
        """Train on uploads, one after another.

        Returns:
            dL/dz [B, *cut] of the last upload if the method is coupled, else None.
        """
        if uploads is None:
            return None
        reply: Tensor | None = None
        start = 0
        for size in uploads.sizes:
            rows = slice(start, start + size)
            start += size
            # A fresh tensor per upload: its alignment, and with it the bits of a product, must not depend on how
            # uploads were packed into messages.
            upload = Upload(
                z=torch.tensor(uploads.z[rows], device=self._device), y=torch.tensor(uploads.y[rows], device=self._device)
            )
            loss, reply = self._method.server_step(self._server, upload)
            self._losses.append(loss)
        return None if reply is None else reply.cpu().numpy()

    def finish_round(self) -> tuple[float | None, bool]:
        """Mean loss over the round's uploads, before each step (None if there were none); whether the back model is finite."""
        losses, self._losses = self._losses, []
        mean = torch.stack(losses).double().mean().item() if losses else None
        return mean, bool(torch.isfinite(self._server.vector.data).all())

    def evaluate(self, client_vector: Float32Array) -> dict[str, float]:
        """Accuracy and loss of server and auxiliary head on the validation and test splits, by series name."""
        self._client_vector.load(client_vector)
        metrics: dict[str, float] = {}
        for name, split in (("validation", self._setup.dataset.validation), ("test", self._setup.dataset.test)):
            scores = evaluate(
                self._model.front,
                {"": self._model.back, "auxiliary_": self._model.auxiliary},
                split.x,
                split.y,
                batch_size=self._setup.spec.evaluation.batch_size,
                device=self._device,
            )
            for head, score in scores.items():
                metrics[f"{head}{name}_accuracy"] = score.accuracy
                metrics[f"{head}{name}_loss"] = score.loss
        return metrics

    def state(self) -> dict[str, Float32Array]:
        """All that must be kept to continue: the back model and the optimizer's vectors."""
        state = {"back": self._server.vector.numpy()}
        return state | {
            f"optimizer.{name}": tensor.cpu().numpy().copy() for name, tensor in self._server.optimizer.state.items()
        }

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """Continue from what `state` gave."""
        self._server.vector.load(state["back"])
        prefix = "optimizer."
        self._server.optimizer.load(
            {
                name.removeprefix(prefix): torch.tensor(values, device=self._device)
                for name, values in state.items()
                if name.startswith(prefix)
            }
        )

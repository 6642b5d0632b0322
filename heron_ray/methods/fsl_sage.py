"""FSL-SAGE (Nair et al., ICML 2025): the client's auxiliary head imitates the main server's gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from heron_ray.methods.cse_fsl import AuxiliaryLoss
from heron_ray.methods.method import Fate, MainServer, Upload
from heron_ray.models.split import Part
from heron_ray.optimizers import make_optimizer, whole
from heron_ray.spec.method import FslSageMethod
from heron_ray.vectors import Float32Array

_AUXILIARY: tuple[Part, ...] = ("auxiliary",)
_INITIAL = "initial_auxiliary"


class FslSage(AuxiliaryLoss[FslSageMethod]):
    """Per client and round, with theta = {front} and an auxiliary head of the client's own:

        for step in 1..h:
            z = front(x);  l = CE(auxiliary(z), y)
            every k-th step: upload (z, y);  the main server steps on CE(back(z), y) and remembers (z, y)
            theta = optimizer(theta, grad l);  the auxiliary head is not trained here

    After every a-th round, on the main server, for every client it remembers samples (z, y) of:

        G = dCE(back(z), y)/dz, per sample
        auxiliary = argmin over it of mean |dCE(auxiliary(z), y)/dz - G|^2, by some steps of an optimizer (double backward)
        the auxiliary head goes down to the client

    Alignment leaves running statistics of the back model's batch normalisation alone; a head's follow it.
    """  # noqa: D415 - the summary line introduces the box

    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.AVERAGED, "auxiliary": Fate.ALIGNED}
    trained: ClassVar[tuple[Part, ...]] = ("front",)

    def server_step(self, server: MainServer, upload: Upload) -> tuple[Tensor, Tensor | None]:
        """Step, and remember the client's latest samples."""
        for name, new in (("z", upload.z), ("y", upload.y)):
            key = f"{name}.{server.client}"
            held = torch.cat([server.kept[key], new]) if key in server.kept else new
            server.kept[key] = held[-self.spec.alignment.samples :].clone()
        return server.step(upload), None

    def server_round_end(self, server: MainServer) -> Mapping[int, Float32Array]:
        """Align every client's head, where the round is one for that."""
        if server.round % self.spec.alignment.every:
            return {}
        if _INITIAL not in server.kept:
            server.kept[_INITIAL] = torch.from_numpy(server.client_vector.numpy(_AUXILIARY))
        aligned: dict[int, Float32Array] = {}
        with server.vector.hold_statistics():
            for client in sorted(int(name.removeprefix("z.")) for name in server.kept if name.startswith("z.")):
                head = server.kept.get(f"auxiliary.{client}", server.kept[_INITIAL])
                server.client_vector.load(head.cpu().numpy(), _AUXILIARY)
                self._align(server, server.kept[f"z.{client}"], server.kept[f"y.{client}"])
                aligned[client] = server.client_vector.numpy(_AUXILIARY)
                server.kept[f"auxiliary.{client}"] = torch.from_numpy(aligned[client])
        return aligned

    def _align(self, server: MainServer, z: Tensor, y: Tensor) -> None:
        """The argmin of the box, for the head that lies in the server's scratch space."""
        z = z.clone().requires_grad_(True)
        target = _gradient_per_sample(server.back(z), y, z, differentiable=False)
        theta = server.client_vector.data[server.client_vector.span("auxiliary")]
        gradient = server.client_vector.gradient(_AUXILIARY)
        optimizer = make_optimizer(self.spec.alignment.optimizer)
        for _ in range(self.spec.alignment.epochs):
            imitation = _gradient_per_sample(server.model.auxiliary(z), y, z, differentiable=True)
            gradient.zero_()
            parameters = list(server.model.auxiliary.parameters())
            torch.autograd.backward((imitation - target).square().sum() / len(y), inputs=parameters)
            optimizer.step(theta, whole(gradient))


def _gradient_per_sample(logits: Tensor, y: Tensor, z: Tensor, *, differentiable: bool) -> Tensor:
    """dCE_i/dz_i [B, *cut], as the gradient of the sum; batch normalisation mixes samples, so there it is nearly that."""
    total = functional.cross_entropy(logits, y.flatten(), reduction="sum")
    (gradient,) = torch.autograd.grad(total, z, create_graph=differentiable)
    return gradient

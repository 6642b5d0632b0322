"""The cost table of HERON-SFL (arXiv 2601.09076, Table II) as its authors seem to have counted it.

The paper gives GFLOPs, MB and GB per method and says little about how it counted. The formulas here are what reproduces its
figures at its setting (`experiments/paper`, docs/paper.md); its GFLOPs are multiply-accumulates, its MB are MiB, its GB are
GiB. They are no measurements of what heron-ray runs: those are the other figures of a profile. Per formula it is said what
is counted or tracked on meta tensors and what was fitted. Where no formula gives the paper's figure there is none here.

Shapes: B = batch, C = classes; h = local steps, k = upload interval, q = probes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from heron_ray.measure.flops import count_flops
from heron_ray.measure.memory import MemoryTracker
from heron_ray.models import SplitModel, initial_model
from heron_ray.models.resnet18 import plain_forwards
from heron_ray.optimizers import make_optimizer, whole
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.data import ImageFiles
from heron_ray.spec.method import CseFslMethod, FslSageMethod, HeronMethod, SflV1Method, SflV2Method
from heron_ray.vectors import FlatVector

MIB: Final = 2**20
GIB: Final = 2**30
WORKSPACE_BYTES: Final = 8 * MIB + 128 * 2**10
"""torch's default cuBLAS workspace on cards before Hopper: two of 4 MiB and eight of 16 KiB. To count it is a fit."""

PaperMethod = HeronMethod | CseFslMethod | FslSageMethod | SflV1Method | SflV2Method
_WITH_AUXILIARY = (CseFslMethod, FslSageMethod)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperConvention:
    """One line of the paper's Table II, by the paper's convention.

    Attributes:
        macs_per_step: A client's multiply-accumulates per local step; the paper's GFLOPs, times 1e9.
        peak_mib: A client's peak memory, in MiB.
        traffic_gib: What all clients send and are sent in all rounds, in GiB; None for `cse_fsl` and `sflv1`, for which no
            formula gives the paper's figure.
    """

    macs_per_step: int
    peak_mib: float
    traffic_gib: float | None


def paper_convention(spec: ExperimentSpec) -> PaperConvention | None:
    """Apply the paper's convention to any model and setting.

    Args:
        spec: The experiment; no data are opened.

    Returns:
        The three figures. None for methods that Table II does not have, where adapters are trained, and for text.
    """
    method = spec.method
    if not isinstance(method, PaperMethod) or spec.model.lora is not None or spec.data.is_text:
        return None
    model = initial_model(spec, "meta")
    x = torch.empty(spec.clients.batch_size, *spec.data.input_shape, device="meta")
    y = torch.empty(spec.clients.batch_size, dtype=torch.int64, device="meta")
    with plain_forwards(), torch.no_grad():
        z = model.front(x)
        front_macs = count_flops(lambda: model.front(x)) // 2
        auxiliary_macs = count_flops(lambda: model.auxiliary(z)) // 2
    traffic = traffic_bytes(spec, method, sample_bytes=z[0].nbytes, model=model)
    return PaperConvention(
        macs_per_step=macs_per_step(method, front_macs, auxiliary_macs),
        peak_mib=peak_bytes(method, model, x, y) / MIB,
        traffic_gib=None if traffic is None else traffic / GIB,
    )


def macs_per_step(method: PaperMethod, front_macs: int, auxiliary_macs: int) -> int:
    """Multiply-accumulates of a local step, from those of one forward pass.

    Counted: F_c and F_a, one pass of a batch through front model and auxiliary head. A backward pass is taken for two forward
    passes, although the first layer's input needs no gradient.

        heron                       (q + 1) (F_c + F_a); central differences: 2q (F_c + F_a)
        cse_fsl, fsl_sage           3 (F_c + F_a)
        sflv1, sflv2                3 F_c + F_a: a fit, their clients have no auxiliary head

    Args:
        method: The method's section.
        front_macs: F_c.
        auxiliary_macs: F_a.
    """
    both = front_macs + auxiliary_macs
    if isinstance(method, HeronMethod):
        estimator = method.zeroth_order
        return both * (2 * estimator.probes if estimator.difference == "central" else estimator.probes + 1)
    return 3 * both if isinstance(method, _WITH_AUXILIARY) else 3 * front_macs + auxiliary_macs


def peak_bytes(method: PaperMethod, model: SplitModel, x: Tensor, y: Tensor) -> int:
    """Peak memory of a local step, tracked on meta tensors; the main server's part of the step is left out.

        heron                       a forward pass by torch's own layers while z is held, x, and the front model's parameters;
                                    leaving out the auxiliary head's parameters, the probes' buffers and the optimizer's state
                                    is a fit
        cse_fsl, fsl_sage           `_repository_step` with auxiliary head, and `WORKSPACE_BYTES`, which is a fit
        sflv1, sflv2                `_repository_step` without auxiliary head

    These are not on equal terms: see docs/paper.md.

    Args:
        method: The method's section.
        model: The split model, on meta tensors.
        x: A batch [B, *input].
        y: Its labels [B].
    """
    if isinstance(method, HeronMethod):
        return _forward_bytes(model, x, y)
    if isinstance(method, _WITH_AUXILIARY):
        return _step_bytes(method, model, x, y, has_auxiliary=True) + WORKSPACE_BYTES
    return _step_bytes(method, model, x, y, has_auxiliary=False)


def traffic_bytes(spec: ExperimentSpec, method: PaperMethod, *, sample_bytes: int, model: SplitModel) -> int | None:
    """What all clients send and are sent in all rounds; None where no formula gives the paper's figure.

        heron, fsl_sage             smashed data up, front model both ways; fsl_sage: and an auxiliary head down to every
                                    client at each alignment
        sflv2                       smashed data up, as many bytes of gradients down, front model both ways

    Labels are not charged, nor is HERON's auxiliary head, which does travel. A client sends one pass over its samples where
    h steps would repeat some: an even share of `data.train_samples`, images held out for validation included, as the paper
    speaks of none. The number of rounds is a fit: 20 (heron, fsl_sage) and 16 (sflv2), and so are 4 alignments.

    Args:
        spec: The experiment.
        method: Its method's section.
        sample_bytes: Smashed data of one sample.
        model: The split model.
    """
    if isinstance(method, CseFslMethod | SflV1Method):
        return None
    clients = spec.clients
    uploads = clients.local_steps if isinstance(method, SflV2Method) else -(-clients.local_steps // method.upload_every)
    samples = uploads * clients.batch_size
    if isinstance(spec.data, ImageFiles) and spec.data.train_samples is not None:
        samples = min(samples, spec.data.train_samples // clients.count)
    ways = 2 if isinstance(method, SflV2Method) else 1
    per_round = clients.cohort * (ways * samples * sample_bytes + 2 * _parameter_bytes(model, "front"))
    alignments = spec.rounds // method.alignment.every if isinstance(method, FslSageMethod) else 0
    return spec.rounds * per_round + alignments * clients.count * _parameter_bytes(model, "auxiliary")


def _forward_bytes(model: SplitModel, x: Tensor, y: Tensor) -> int:
    """Tracked: z is held while another forward pass runs as torch's own layers do it."""
    tracker = MemoryTracker()
    for tensor in (x, y, *model.front.parameters()):
        tracker.label(tensor, "held")
    with plain_forwards(), torch.no_grad(), tracker:
        z = model.front(x)
        functional.cross_entropy(model.auxiliary(z), y)
        functional.cross_entropy(model.auxiliary(model.front(x)), y)
    return tracker.peak_bytes


def _step_bytes(
    method: CseFslMethod | FslSageMethod | SflV1Method | SflV2Method,
    model: SplitModel,
    x: Tensor,
    y: Tensor,
    *,
    has_auxiliary: bool,
) -> int:
    """Tracked: the second of two repository steps, with parameters, gradients and the optimizer's state."""
    vector = FlatVector(model.parts(("front", "auxiliary") if has_auxiliary else ("front",)))
    gradient, optimizer, tracker = vector.gradient(), make_optimizer(method.client_optimizer), MemoryTracker()
    for tensor in (x, y, vector.data, gradient):
        tracker.label(tensor, "held")
    with tracker:
        for _ in range(2):
            gradient.zero_()
            _repository_step(model, x, y, has_auxiliary=has_auxiliary)
            optimizer.step(vector.data, whole(gradient))
    return tracker.peak_bytes


def _repository_step(model: SplitModel, x: Tensor, y: Tensor, *, has_auxiliary: bool) -> None:
    """Forward and backward pass of a client, holding at the cut layer what the methods' published code holds there.

    FSL-SAGE's code, which also has CSE-FSL, copies z once for the auxiliary head and once for the main server, and keeps the
    first copy's gradient. SplitFed's code copies z for the main server, and keeps the copy's gradient and a copy of that.
    Either way three tensors of z's size stay alive while the front model is backpropagated through.
    """
    z = model.front(x)
    given = z.detach().clone().requires_grad_(True)
    if has_auxiliary:
        uploaded = z.detach().clone()
        torch.autograd.backward(functional.cross_entropy(model.auxiliary(given), y))
        torch.autograd.backward(z, given.grad)
        del uploaded
    else:
        given.grad = torch.empty(given.shape, device="meta")
        torch.autograd.backward(z, given.grad.clone())


def _parameter_bytes(model: SplitModel, part: str) -> int:
    return sum(parameter.nbytes for parameter in getattr(model, part).parameters())

"""The Hessian of the client's loss at a global model: how low its effective rank is (HERON-SFL, arXiv 2601.09076, Theorem 2).

A diagnosis that works on a copy of the model, so that it leaves nothing behind: no gradient, no running statistics. Batch
normalisation normalises by the batch, as in a client's step. The loss is the method's own (`Method.losses`) on training samples
of all clients together, theta what a client holds: {front, auxiliary} for HERON.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.measure.spectrum import Spectrum, hessian_product, spectrum
from heron_ray.methods import Method, make_method
from heron_ray.models import SplitModel
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.restore import restore
from heron_ray.simulation.setup import Setup
from heron_ray.simulation.smashed import draw_rows
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.compute import SpectrumSpec

_SAMPLES, _VECTORS = 0, 1
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def client_spectrum(setup: Setup, method: Method[Any], model: SplitModel, options: SpectrumSpec, round: int) -> Spectrum:
    """Estimate the spectrum of the client loss's Hessian.

    Args:
        setup: Data and seed.
        method: Whose clients' loss.
        model: The global model; it stays as it is.
        options: How much to look at.
        round: After which round: samples and random vectors are drawn for it.
    """
    train, seed, dtype = setup.dataset.train, setup.spec.seed, _DTYPES[options.precision]
    draw = generator(derive(seed, Purpose.SPECTRUM, round, _SAMPLES))
    rows = draw_rows(draw, len(train.y), options.samples)
    device = torch.device(setup.spec.compute.device)
    x, y = train.x.index_select(0, rows).to(device), train.y.index_select(0, rows).to(device)
    own = copy.deepcopy(model)
    for part in (own.front, own.auxiliary, own.back):
        part.to(dtype).requires_grad_(False)
    parameters = [one.requires_grad_(True) for part in own.parts(method.client_parts).values() for one in part.parameters()]
    with torch.enable_grad():
        loss = method.losses(own, x.to(dtype) if x.is_floating_point() else x, y).mean()
        product = hessian_product(loss, parameters)
    return spectrum(
        product,
        sum(one.numel() for one in parameters),
        lanczos_steps=options.lanczos_steps,
        seeds=[derive(seed, Purpose.SPECTRUM, round, _VECTORS, number) for number in range(2 * options.probes)],
        dtype=dtype,
        device=device,
    )


def spectrum_at(spec: ExperimentSpec, checkpoint: Checkpoint | None, options: SpectrumSpec) -> Spectrum:
    """The same for a whole experiment, at a checkpoint of it or at its initial model.

    Raises:
        DataError: The data cannot be loaded.
        SpecError: The method's clients have no loss that is the same for all.
    """
    if not spec.method.shares_client_loss:
        message = f"{spec.method.kind}'s clients have no loss in common whose Hessian could be looked at"
        raise SpecError(
            [SpecIssue(path="method.kind", message=message)], hint="use heron, or another method that trains clients"
        )
    setup, method = Setup.build(spec), make_method(spec.method)
    model = setup.build_model()
    restore(model, method, checkpoint)
    return client_spectrum(setup, method, model, options, checkpoint.round if checkpoint is not None else 0)

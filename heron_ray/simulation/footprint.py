"""What a run takes of a machine: an estimate, made before it begins, from counted and tracked figures.

    memory = processes x BASE + hosts x client peak + servers + frozen x (hosts + servers) + data

with hosts = the client actors (1 without Ray). A server holds its parameters four times (values, gradients, optimizer state,
a copy on its way), and of text the logits of an evaluation; a rule that needs the whole cohort at once holds a vector per
client, attackers that know the cohort two. `frozen` is what adapters leave as it is. The data lie once with whoever loaded them
and once in Ray's object store. The estimate errs on the large side: it is for letting experiments in.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final

from heron_ray.federation import make_defence
from heron_ray.models import SplitModel, initial_model
from heron_ray.simulation.profile import client_costs
from heron_ray.simulation.roles.collusion import colluding
from heron_ray.simulation.setup import evaluation_batch
from heron_ray.spec import ExperimentSpec
from heron_ray.vectors import constants

BASE_BYTES: Final = 350 * 2**20
"""Of a process that has imported torch: what it has for itself, measured on Linux with torch 2.15 for CPUs."""

NOMINAL_SAMPLES: Final = 70_000
"""Of a data set of files that does not say how many of them are used; they are not counted for an estimate."""

_DIGITS: Final = 1_797
_SERVERS: Final = 2
_COPIES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a run takes.

    Attributes:
        cpus: Threads that compute at the same time.
        gpus: Cards.
        memory_bytes: Of all its processes together.
        client_peak_bytes: The most that one client holds at once, as `heron profile` tracks it.
    """

    cpus: float
    gpus: float
    memory_bytes: int
    client_peak_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


def footprint(spec: ExperimentSpec, *, distributed: bool) -> Footprint:
    """Estimate what a run of `spec` takes; no data are opened.

    Args:
        spec: The experiment.
        distributed: Whether its roles live in Ray actors.
    """
    hosts = spec.compute.actors if distributed else 1
    processes = 1 + hosts + _SERVERS if distributed else 1
    # A root client is one more, where the federation server is.
    clients = hosts + (0 if spec.aggregation.root_samples is None else 1)
    peak = client_costs(spec).client_peak_bytes
    model = initial_model(spec, "meta")
    # What adapters leave as it is, every host and server holds once.
    frozen = sum(constant.nbytes for constant in constants(model.front, model.auxiliary, model.back))
    servers = _server_bytes(spec, model) + frozen * (clients + _SERVERS)
    data = _data_bytes(spec) * (2 if distributed else 1)
    return Footprint(
        cpus=float(hosts * spec.compute.threads),
        gpus=1.0 if spec.compute.device == "cuda" else 0.0,
        memory_bytes=processes * BASE_BYTES + clients * peak + servers + data,
        client_peak_bytes=peak,
    )


def _server_bytes(spec: ExperimentSpec, model: SplitModel) -> int:
    client, back = (
        sum(parameter.nbytes for part in parts for parameter in part.parameters())
        for parts in ((model.front, model.auxiliary), (model.back,))
    )
    held = spec.aggregation.vectors_held(spec.clients.cohort, spec.clients.count)
    if colluding(spec.attack) is not None:
        held += 2 * spec.clients.cohort
    gathered = held * client
    if spec.smashed_defence is not None and make_defence(spec.smashed_defence).rule is not None:
        gathered += spec.clients.cohort * back
    logits = _COPIES * 4 * evaluation_batch(spec) * spec.data.input_shape[0] * spec.data.classes if spec.data.is_text else 0
    return _COPIES * (client + back) + gathered + logits


def _data_bytes(spec: ExperimentSpec) -> int:
    if spec.data.is_text:
        return _samples(spec.data) * 2 * 8 * math.prod(spec.data.input_shape)
    sample = 4 * math.prod(spec.data.input_shape) + 8
    return _samples(spec.data) * sample


def _samples(data: Any) -> int:
    if data.kind == "digits":
        return _DIGITS
    if data.kind in ("synthetic", "synthetic_tokens"):
        return int(data.samples + 2 * data.held_out)
    if data.kind == "plugin":
        return NOMINAL_SAMPLES
    given = [count for count in (data.train_samples, data.test_samples) if count is not None]
    return sum(given) if len(given) == 2 else max(NOMINAL_SAMPLES, sum(given))

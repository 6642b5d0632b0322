"""What every role of a run starts from: the spec, the data and who holds which part of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from heron_ray.data.dataset import Dataset
from heron_ray.data.partition import Shards, partition
from heron_ray.data.registry import load_dataset
from heron_ray.device import use_device
from heron_ray.methods import make_method
from heron_ray.models import SplitModel, initial_model
from heron_ray.seeds import Purpose, derive
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.model import MlpModel
from heron_ray.zo.directions import piece_length

BLOCK = 20
"""Clients computed together, at most; more gain nothing."""

BLOCK_NUMBERS = 2**21
"""So many parameters, numbers in a layer's activations, and numbers of smashed data in a round may the clients of a block have
together."""

LOGIT_NUMBERS = 2**25
"""So many logits may an evaluation of a language model hold at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The same for every role, in whichever process it lives. `shards[i]` holds client i's sample indices, ascending."""

    spec: ExperimentSpec
    dataset: Dataset
    shards: Shards

    @classmethod
    def build(cls, spec: ExperimentSpec) -> Setup:
        """Load the data and partition them. Raises DataError."""
        dataset = load_dataset(spec.data, derive(spec.seed, Purpose.DATA))
        labels, seed = dataset.labels, derive(spec.seed, Purpose.PARTITION)
        shards = partition(spec.partition, labels, spec.clients.count, seed, dataset.makers)
        return cls(spec=spec, dataset=dataset, shards=shards)

    def batch_size(self, client: int) -> int:
        """Samples in a client's batch: a smaller shard is used whole."""
        return min(self.spec.clients.batch_size, len(self.shards[client]))

    def clients_per_block(self) -> int:
        """How many clients are computed together, at most: many of a small multi-layer perceptron, else one."""
        spec, method = self.spec, make_method(self.spec.method)
        is_single = not method.stacks or method.keeps_state or spec.compute.compile
        if is_single or not isinstance(spec.model, MlpModel) or spec.model.lora is not None:
            return 1
        model = initial_model(self.spec, "meta")
        parameters = [one for part in model.parts(method.client_parts).values() for one in part.parameters()]
        size, widest = sum(one.numel() for one in parameters), max(max(one.shape) for one in parameters)
        smashed = spec.clients.batch_size * spec.model.hidden[spec.model.client_layers - 1]
        held = max(size, spec.clients.batch_size * widest, spec.clients.local_steps * smashed)
        return max(1, min(BLOCK, BLOCK_NUMBERS // held)) if size <= piece_length(torch.device(spec.compute.device)) else 1

    def build_model(self) -> SplitModel:
        """The initial model, with the same values in every process. Raises SpecError if its device is not there."""
        use_device(self.spec.compute.device)
        return initial_model(self.spec, self.spec.compute.device)


def evaluation_batch(spec: ExperimentSpec) -> int:
    """Samples per forward pass of an evaluation: of text no more than whose logits are `LOGIT_NUMBERS` numbers."""
    asked, data = spec.evaluation.batch_size, spec.data
    return min(asked, max(1, LOGIT_NUMBERS // (data.input_shape[0] * data.classes))) if data.is_text else asked

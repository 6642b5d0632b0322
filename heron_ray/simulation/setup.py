"""What every role of a run starts from: the spec, the data and who holds which part of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from heron_ray.data.dataset import Dataset
from heron_ray.data.partition import Shards, partition
from heron_ray.data.registry import load_dataset
from heron_ray.errors import SpecError, SpecIssue
from heron_ray.models import SplitModel, build_model
from heron_ray.seeds import Purpose, derive
from heron_ray.spec import ExperimentSpec


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
        shards = partition(spec.partition, dataset.train.y.numpy(), spec.clients.count, derive(spec.seed, Purpose.PARTITION))
        return cls(spec=spec, dataset=dataset, shards=shards)

    def build_model(self) -> SplitModel:
        """The initial model, with the same values in every process. Raises SpecError if its device is not there."""
        if self.spec.compute.device == "cuda" and not torch.cuda.is_available():
            message = "cuda was asked for, but this process sees no CUDA device"
            raise SpecError([SpecIssue(path="compute.device", message=message)], hint="set compute.device=cpu")
        return build_model(
            self.spec.model,
            input_shape=self.dataset.input_shape,
            classes=self.dataset.classes,
            seed=self.spec.seed,
            device=torch.device(self.spec.compute.device),
        )

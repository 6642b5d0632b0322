"""Warming up a language model centrally: plain backpropagation on all training sequences, nothing split, nobody federated.

Fine-tuning begins with a model that knows some language. Where the weights of gpt2-medium are not at hand, a small model warmed
here takes their place: it is saved as transformers saves models, and a spec names it by `model.pretrained`, as it would name
gpt2-medium. Optimizer: AdamW (weight decay 0.01) with a linear warm-up over a tenth of the steps and a linear way down to zero.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from heron_ray.data import load_dataset
from heron_ray.data.dataset import Dataset
from heron_ray.data.tokens import copy_tokenizer
from heron_ray.device import use_device
from heron_ray.errors import DivergedError, SpecError, SpecIssue
from heron_ray.measure.accuracy import Score, evaluate
from heron_ray.models import stacked
from heron_ray.seeds import Purpose, derive
from heron_ray.simulation.roles.batches import Batches
from heron_ray.simulation.setup import evaluation_batch
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.gpt2 import Gpt2Model
from heron_ray.spec.text import E2eNlgData, ProseData, TextData

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

_WEIGHT_DECAY = 0.01
_WARM_UP = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """What came of it: perplexity of the next token on the validation and test splits."""

    steps: int
    parameters: int
    validation_perplexity: float
    test_perplexity: float

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


def pretrain(
    spec: ExperimentSpec,
    folder: Path,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Warmed:
    """Train the model of a spec on its data, and save it.

    Args:
        spec: Its `data`, `model`, `seed`, `compute.device` and `compute.threads` count; adapters, clients and method do not.
        folder: Where config.json and model.safetensors go, and the data's tokenizer.json where there is one.
        steps: Steps of the optimizer.
        batch_size: Sequences per step.
        lr: The highest learning rate.
        report: Called after every step with its number, from 1, and the loss before it, in nats per token.

    Raises:
        SpecError: The model is not a language model, or does not fit the data.
        DataError: The data or a pretrained model to go on from cannot be loaded.
        DivergedError: The loss stopped being finite.
    """
    if not isinstance(spec.model, Gpt2Model):
        issue = SpecIssue(path="model.kind", message=f"{spec.model.kind} is no language model: only gpt2 is warmed up")
        raise SpecError([issue])
    use_device(spec.compute.device)
    from heron_ray.models.gpt2 import whole_gpt2

    threads = torch.get_num_threads()
    torch.set_num_threads(spec.compute.threads)
    try:
        dataset, device = load_dataset(spec.data, derive(spec.seed, Purpose.DATA)), torch.device(spec.compute.device)
        generator = torch.Generator().manual_seed(derive(spec.seed, Purpose.MODEL))
        model = whole_gpt2(spec.model, dataset.input_shape[0], dataset.classes, generator, device)
        _descend(model, dataset, spec.seed, steps=steps, batch_size=batch_size, lr=lr, report=report)
        scores = _judge(model, spec, dataset, device)
    finally:
        torch.set_num_threads(threads)
    model.save_pretrained(folder)
    if isinstance(spec.data, ProseData | E2eNlgData | TextData):
        copy_tokenizer(spec.data.tokenizer, folder)
    return Warmed(
        steps=steps,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        validation_perplexity=scores["validation"].perplexity,
        test_perplexity=scores["test"].perplexity,
    )


def _descend(
    model: GPT2LMHeadModel,
    dataset: Dataset,
    seed: int,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    report: Callable[[int, float], None],
) -> None:
    train, device = dataset.train, model.device
    batches = Batches(np.arange(len(train)), batch_size, seed=seed, round=0, client=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share_of_rate(step, steps))
    for step in range(steps):
        rows = torch.from_numpy(batches.indices(step))
        x, y = train.x.index_select(0, rows).to(device), train.y.index_select(0, rows).to(device)
        loss = stacked.cross_entropy(model(input_ids=x, use_cache=False).logits.flatten(0, 1), y)
        if not math.isfinite(value := loss.item()):
            raise DivergedError(
                f"diverged in step {step + 1}: the loss stopped being finite", round=step + 1, hint="lower --lr"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        report(step + 1, value)


def _share_of_rate(step: int, steps: int) -> float:
    """Up over the first tenth, then down to zero.

    >>> [round(_share_of_rate(step, 20), 2) for step in (0, 1, 2, 11, 19)]
    [0.5, 1.0, 1.0, 0.5, 0.06]
    """
    up = max(1, round(_WARM_UP * steps))
    return min((step + 1) / up, (steps - step) / max(1, steps - up))


def _judge(model: GPT2LMHeadModel, spec: ExperimentSpec, dataset: Dataset, device: torch.device) -> dict[str, Score]:
    def logits(x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = model(input_ids=x, use_cache=False).logits.flatten(0, 1)
        return found

    return {
        name: evaluate(logits, {"": _same}, split.x, split.y, batch_size=evaluation_batch(spec), device=device)[""]
        for name, split in (("validation", dataset.validation), ("test", dataset.test))
    }


def _same(logits: torch.Tensor) -> torch.Tensor:
    return logits

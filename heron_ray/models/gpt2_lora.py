"""Low-rank adapters on a cut GPT-2, made by the library peft: what is trained here loads there (decision 0022).

y = W x + (alpha / r) B A x, with A and B trained and W not (arXiv 2106.09685). All else in a part becomes a constant: a buffer
that is not persistent, so it is neither perturbed, stepped, averaged nor sent.
"""

from __future__ import annotations

import math

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from heron_ray.models.lora import freeze
from heron_ray.models.split import SplitModel
from heron_ray.spec.gpt2 import Gpt2Lora


def lora_config(spec: Gpt2Lora) -> LoraConfig:
    """The same adapters as peft describes them."""
    return LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,  # type: ignore[arg-type]  # annotated as a whole number, but only ever divided by r
        target_modules=list(spec.targets),
        fan_in_fan_out=True,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )


def adapt_gpt2(model: SplitModel, spec: Gpt2Lora, generator: torch.Generator) -> None:
    """Adapt the blocks of all three parts in place, and freeze the rest.

    Args:
        model: Of kind gpt2.
        spec: Rank, alpha and targets.
        generator: Source of A's initial values, U(-1/sqrt(n), 1/sqrt(n)) for n inputs, on the CPU; B begins as zero.
    """
    for part in (model.front, model.auxiliary, model.back):
        if len(part.blocks):  # type: ignore[arg-type]  # a ModuleList
            _inject(part, spec)
            _draw(part, generator)
        for name, module in part.named_modules():
            if ".lora_" not in name:
                freeze(module)


def _inject(part: nn.Module, spec: Gpt2Lora) -> None:
    is_meta = next(part.parameters()).device.type == "meta"
    with torch.random.fork_rng(devices=[]):  # the library draws initial values, which are not used
        inject_adapter_in_model(lora_config(spec), part, low_cpu_mem_usage=is_meta)


def _draw(part: nn.Module, generator: torch.Generator) -> None:
    for name, parameter in part.named_parameters():
        if ".lora_" not in name:
            continue
        if parameter.device.type != "meta":
            bound = 1 / math.sqrt(parameter.shape[1])
            drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
            parameter.data.copy_(drawn if ".lora_A." in name else torch.zeros(()))

"""A folder with a GPT-2 that is small enough to train in a test, saved as transformers saves models."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from heron_ray.spec import ExperimentSpec
from tests.conftest import spec_from

BLOCKS, WIDTH, POSITIONS, LENGTH, VOCABULARY = 4, 16, 24, 16, 257

TEXT = [
    "data={kind: prose, length: 16, train_samples: 120, test_samples: 20}",
    "partition={kind: natural}",
    "clients={count: 3, batch_size: 4, local_steps: 2}",
    "model={kind: gpt2, pretrained: nano, cut: 1}",
    "rounds=2",
    "method.client_optimizer.lr=0.01",
]
LORA = "model.lora={rank: 2, alpha: 4.0, targets: [c_attn, mlp.c_proj]}"


def save_nano(folder: Path, **changed: int) -> GPT2LMHeadModel:
    """A GPT-2 with random values under `folder`/nano, and the same in memory, without dropout."""
    sizes = {"vocab_size": VOCABULARY, "n_layer": BLOCKS, "n_embd": WIDTH, "n_head": 2, "n_positions": POSITIONS}
    config = GPT2Config(**{**sizes, **changed}, bos_token_id=256, eos_token_id=256)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = GPT2LMHeadModel(config)
        for parameter in model.parameters():  # larger than at the start of a training, so that nothing is nearly zero
            parameter.data.add_(0.1 * torch.randn(parameter.shape))
    model.save_pretrained(folder / "nano")
    whole = model.eval()
    assert isinstance(whole, GPT2LMHeadModel)
    return whole


def text_spec(*overrides: str) -> ExperimentSpec:
    """The base spec on text, with the model of `save_nano`."""
    return spec_from(*TEXT, *overrides)

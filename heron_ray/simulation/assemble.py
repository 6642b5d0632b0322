"""A trained language model as transformers and peft load it: front and back model put together again, no heron-ray needed.

    without adapters   FOLDER/config.json, model.safetensors            GPT2LMHeadModel.from_pretrained(FOLDER)
    with adapters      FOLDER/adapter_config.json, adapter_model.safetensors
                                                                        PeftModel.from_pretrained(base, FOLDER)

The base of adapters is the pretrained model that the spec names; of a preset, whose values the seed draws, it is written to
FOLDER/base. The auxiliary head is no part of the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.methods import make_method
from heron_ray.models import SplitModel, initial_model
from heron_ray.seeds import Purpose, derive
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.restore import restore
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.gpt2 import Gpt2Lora, Gpt2Model

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

_HEAD_NAMES = {"norm": "transformer.ln_f", "unembedding": "lm_head"}
_FRONT_NAMES = {"tokens": "transformer.wte", "positions": "transformer.wpe"}


def assemble(spec: ExperimentSpec, checkpoint: Checkpoint, folder: Path) -> None:
    """Write the language model of a checkpoint.

    Args:
        spec: The experiment.
        checkpoint: Its state after a round.
        folder: Where the files go.

    Raises:
        SpecError: The experiment has no language model.
        DataError: The pretrained model it began with cannot be loaded.
    """
    if not isinstance(spec.model, Gpt2Model):
        issue = SpecIssue(path="model.kind", message=f"{spec.model.kind} is no language model: only gpt2 is put together")
        raise SpecError([issue])
    from heron_ray.models.gpt2 import whole_gpt2

    model = initial_model(spec)
    restore(model, make_method(spec.method), checkpoint)
    generator = torch.Generator().manual_seed(derive(spec.seed, Purpose.MODEL))
    whole = whole_gpt2(spec.model, spec.data.input_shape[0], spec.data.classes, generator, torch.device("cpu"))
    tensors = dict(_named(model, spec.model.cut))
    if spec.model.lora is None:
        whole.config.tie_word_embeddings = False
        whole.lm_head.weight = torch.nn.Parameter(tensors["lm_head.weight"].detach().clone())
        whole.load_state_dict(tensors)
        whole.save_pretrained(folder)
        return
    if spec.model.pretrained is None:
        whole.save_pretrained(folder / "base")
        whole.name_or_path = str(folder / "base")
    _save_adapter(whole, spec.model.lora, tensors, folder)


def _save_adapter(whole: GPT2LMHeadModel, lora: Gpt2Lora, tensors: dict[str, Tensor], folder: Path) -> None:
    from peft import get_peft_model, set_peft_model_state_dict

    from heron_ray.models.gpt2_lora import lora_config

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft asks transformers by a name that transformers is about to drop.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        adapted = get_peft_model(whole, lora_config(lora))
    trained = {
        f"base_model.model.{name.replace('.default.', '.')}": value for name, value in tensors.items() if ".lora_" in name
    }
    set_peft_model_state_dict(adapted, trained)
    adapted.save_pretrained(str(folder))


def _named(model: SplitModel, cut: int) -> Iterator[tuple[str, Tensor]]:
    """Parameters of front and back under the names that they have in GPT2LMHeadModel."""
    for part, names, first in ((model.front, _FRONT_NAMES, 0), (model.back, _HEAD_NAMES, cut)):
        for name, value in part.named_parameters():
            owner, _, rest = name.partition(".")
            if owner == "blocks":
                number, _, rest = rest.partition(".")
                yield f"transformer.h.{first + int(number)}.{rest}", value.detach().clone()
            else:
                yield f"{names[owner]}.{rest}", value.detach().clone()

"""GPT-2, cut after any block: transformers' own layers in three parts (HERON-SFL, arXiv 2601.09076, Table III and Figure 6).

Shapes: B = batch, L = tokens of a sequence, D = numbers per token, V = vocabulary.

    front      x [B, L]  ->  token and position embeddings, the first blocks  ->  z [B, L, D]
    auxiliary  z  ->  copies of the first blocks after the cut  ->  LayerNorm, unembedding  ->  logits [B L, V]
    back       z  ->  the other blocks  ->  LayerNorm, unembedding  ->  logits [B L, V]

Attention is written out (`eager`), so that it is counted, can be differentiated twice (FSL-SAGE) and has the same bits wherever
it runs. There is no dropout: a probe and its reference must see the same network. Where everything is trained, embedding and
unembedding are no longer one matrix, since client and main server each train their own.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import torch
from torch import Tensor, nn

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when huggingface_hub is imported: nothing is ever downloaded
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from heron_ray.directory import DataDirectory
from heron_ray.errors import DataError, SpecError, SpecIssue
from heron_ray.models.seeded import built
from heron_ray.models.split import SplitModel
from heron_ray.spec.gpt2 import GPT2_SIZES, Gpt2Model

transformers_logging.disable_progress_bar()

_ATTENTION = "eager"
_META = torch.device("meta")


def build_gpt2(
    spec: Gpt2Model, input_shape: tuple[int, ...], classes: int, generator: torch.Generator, device: torch.device
) -> SplitModel:
    """Build the three parts on `device`, without adapters.

    With `spec.lora` the parts share the matrices that they have in common, since nobody will train them.

    Raises:
        SpecError: The pretrained model has too few blocks or positions, or another vocabulary.
        DataError: There is no pretrained model at its path, or it cannot be read.
    """
    whole = whole_gpt2(spec, input_shape[0], classes, generator, device)
    blocks, norm, unembedding = whole.transformer.h, whole.transformer.ln_f, whole.lm_head
    if spec.lora is None and unembedding.weight is whole.transformer.wte.weight:
        unembedding.weight = nn.Parameter(unembedding.weight.detach().clone())
    after = blocks[spec.cut :]
    shared = {id(value): value for value in whole.parameters()} if spec.lora is not None else {}
    copies, copied_norm, copied_unembedding = copy.deepcopy((after[: spec.auxiliary.blocks], norm, unembedding), shared)
    return SplitModel(
        front=Gpt2Front(whole.transformer.wte, whole.transformer.wpe, blocks[: spec.cut]),
        auxiliary=Gpt2Head(copies, copied_norm, copied_unembedding),
        back=Gpt2Head(after, norm, unembedding),
    )


def whole_gpt2(spec: Gpt2Model, length: int, classes: int, generator: torch.Generator, device: torch.device) -> GPT2LMHeadModel:
    """The model before it is cut. Arguments and errors as those of `build_gpt2`; `length` is L."""
    if spec.pretrained is not None:
        return _pretrained(spec, spec.pretrained, length, classes, device)
    size = GPT2_SIZES[spec.preset or "tiny"]
    config = GPT2Config(
        vocab_size=classes,
        n_layer=size.blocks,
        n_embd=size.width,
        n_head=size.heads,
        n_positions=size.positions,
        bos_token_id=classes - 1,
        eos_token_id=classes - 1,
        attn_pdrop=0.0,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
    )
    config._attn_implementation = _ATTENTION
    return built(lambda: GPT2LMHeadModel(config), generator, device)


class Gpt2Front(nn.Module):
    """The client's part: x [B, L] to z [B, L, D]."""

    def __init__(self, tokens: nn.Embedding, positions: nn.Embedding, blocks: nn.ModuleList) -> None:
        """Put the parts together."""
        super().__init__()
        self.tokens, self.positions, self.blocks = tokens, positions, blocks

    def forward(self, x: Tensor) -> Tensor:
        """Embed, then the blocks."""
        z = self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        return _through(self.blocks, z)


class Gpt2Head(nn.Module):
    """Blocks, LayerNorm and unembedding: z [B, L, D] to logits [B L, V]."""

    def __init__(self, blocks: nn.ModuleList, norm: nn.LayerNorm, unembedding: nn.Linear) -> None:
        """Put the parts together."""
        super().__init__()
        self.blocks, self.norm, self.unembedding = blocks, norm, unembedding

    def forward(self, z: Tensor) -> Tensor:
        """One row of logits per token."""
        logits: Tensor = self.unembedding(self.norm(_through(self.blocks, z)))
        return logits.flatten(0, 1)


def _through(blocks: nn.ModuleList, z: Tensor) -> Tensor:
    """The blocks one after another; no token sees a later one."""
    if not len(blocks):
        return z
    length = z.shape[1]
    mask = torch.full((length, length), torch.finfo(z.dtype).min, dtype=z.dtype, device=z.device).triu_(1)
    for block in blocks:
        z = block(z, attention_mask=mask)
    return z


def _pretrained(spec: Gpt2Model, path: str, length: int, classes: int, device: torch.device) -> GPT2LMHeadModel:
    folder = _folder(path)
    config = _config(path)
    if (fault := spec.fault_in(config.n_layer, config.n_positions, length)) is not None:
        raise SpecError([SpecIssue(path=f"model.{fault[0]}", message=fault[1])])
    if config.vocab_size != classes:
        message = f"{path!r} has a vocabulary of {config.vocab_size:,} tokens, and the data have one of {classes:,}"
        hint = "use the tokenizer the model was trained with (data.tokenizer), or another model"
        raise SpecError([SpecIssue(path="model.pretrained", message=message)], hint=hint)
    config.attn_pdrop = config.embd_pdrop = config.resid_pdrop = 0.0
    config._attn_implementation = _ATTENTION
    if device.type == "meta":
        with _META:
            return GPT2LMHeadModel(config)
    try:
        model = GPT2LMHeadModel.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation=_ATTENTION,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"model.pretrained={path!r} cannot be loaded: {error}",
            hint="it needs the model.safetensors that save_pretrained writes",
        ) from error
    return _moved(model, device)


def _moved(model: GPT2LMHeadModel, device: torch.device) -> GPT2LMHeadModel:
    nn.Module.to(model, device)
    return model


def _config(path: str) -> GPT2Config:
    """Read here, because the library takes defaults where the file is missing. Raises DataError where it is not a GPT-2's."""
    text = DataDirectory.from_environment().text(f"{path}/config.json")
    try:
        values = json.loads(text)
        kind = values["model_type"]
        config = GPT2Config.from_dict(values)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"model.pretrained={path!r} has no config.json of a model: {error!r}") from error
    if kind != "gpt2" or config.add_cross_attention:
        raise DataError(f"model.pretrained={path!r} is not a GPT-2 but {kind!r}, or looks at a second text (cross-attention)")
    return config


def _folder(path: str) -> Path:
    """The folder of a pretrained model. Raises DataError where there is none."""
    directory = DataDirectory.from_environment("model.pretrained is a folder below the one")
    try:
        return directory.folder(path)
    except DataError as error:
        raise DataError(
            error.message,
            hint="models are not downloaded: put there what heron pretrain, or save_pretrained on another machine, writes",
        ) from error

"""`model.kind=gpt2`: GPT-2 cut after one of its blocks, as the paper fine-tunes it (HERON-SFL, arXiv 2601.09076, Table III)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from heron_ray.spec.lora import LoraSpec
from heron_ray.spec.relative_path import RelativePath
from heron_ray.spec.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpt2Size:
    """Blocks, numbers per token, attention heads, and the longest sequence in tokens."""

    blocks: int
    width: int
    heads: int
    positions: int


GPT2_SIZES: Final = MappingProxyType(
    {
        "tiny": Gpt2Size(blocks=4, width=128, heads=4, positions=512),
        "small": Gpt2Size(blocks=12, width=768, heads=12, positions=1024),
        "medium": Gpt2Size(blocks=24, width=1024, heads=16, positions=1024),
    }
)

ADAPTABLE: Final = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
"""The layers of a block that multiply by a matrix, under the names they have in transformers."""


class ServerBlocksAuxiliary(Section):
    """The main server's first blocks, copied, then LayerNorm and unembedding."""

    kind: Literal["server_blocks"] = Field(
        default="server_blocks",
        description="Copies of the first blocks after the cut, then LayerNorm and unembedding, as the main server has them.",
    )
    blocks: int = Field(default=1, ge=0, le=3, description="How many blocks. 0: LayerNorm and unembedding alone.")


class Gpt2Lora(LoraSpec):
    """Adapters as the library peft makes them, in front model, auxiliary head and back model; all else stays as it is."""

    targets: Annotated[tuple[str, ...], Field(min_length=1, max_length=4)] = Field(
        default=("c_attn",),
        description="Which layers of every block are adapted, by the end of their names: c_attn (queries, keys and values), "
        "attn.c_proj, c_fc, mlp.c_proj, or c_proj for both.",
    )

    def strangers(self) -> list[str]:
        """The targets that name no layer of a block."""
        return [target for target in self.targets if not any(f".{name}".endswith(f".{target}") for name in ADAPTABLE)]


class Gpt2Model(Section):
    """GPT-2 as transformers builds it, cut after any block; dropout is off."""

    normalises_batches: ClassVar[bool] = False

    kind: Literal["gpt2"] = Field(description="GPT-2 on sequences of tokens: of a preset size, or pretrained.")
    preset: Literal["tiny", "small", "medium"] | None = Field(
        default=None,
        description="Size of a model with initial values drawn from the seed. tiny: 4 blocks of 128 numbers per token, 512 "
        "positions. small: 12 of 768. medium: 24 of 1024, both with 1024 positions. This or pretrained.",
    )
    pretrained: RelativePath | None = Field(
        default=None,
        description="Folder of a model that save_pretrained wrote (config.json, model.safetensors), below the folder that "
        "HERON_DATA_DIR names. Nothing is ever downloaded. This or preset.",
    )
    cut: int = Field(default=1, ge=0, le=1000, description="How many blocks the client holds after the embeddings.")
    auxiliary: ServerBlocksAuxiliary = Field(default=ServerBlocksAuxiliary(), description="The client's auxiliary head.")
    lora: Gpt2Lora | None = Field(
        default=None,
        description="Low-rank adapters: they alone are trained and sent, in front model, auxiliary head and back model. null: "
        "everything is trained.",
    )

    def fault(self, input_shape: tuple[int, ...]) -> tuple[str, str] | None:
        """The field that cannot be for samples of this shape, and why; None where all is well."""
        if len(input_shape) != 1:
            return (
                "kind",
                f"gpt2 needs sequences of tokens, not samples of shape {input_shape}: use data.kind=prose, e2e_nlg, text "
                "or synthetic_tokens",
            )
        if (self.preset is None) == (self.pretrained is None):
            both = "both are given" if self.preset else "Field required"
            return "preset", f"{both}: a size (tiny, small, medium), or model.pretrained, a folder below HERON_DATA_DIR"
        if self.lora is not None and (strangers := self.lora.strangers()):
            return (
                "lora.targets",
                f"{', '.join(strangers)} match no layer of a block: use any of c_attn, c_fc, {', '.join(ADAPTABLE)}",
            )
        if self.preset is None:
            return None
        size = GPT2_SIZES[self.preset]
        return self.fault_in(size.blocks, size.positions, input_shape[0])

    def fault_in(self, blocks: int, positions: int, length: int) -> tuple[str, str] | None:
        """The same for a model of so many blocks and positions, and sequences of that length."""
        if self.cut > blocks:
            return "cut", f"{self.cut} lies beyond the last block: the model has {blocks}"
        if self.lora is not None and not 0 < self.cut < blocks:
            side, way_out = ("client", "at least 1") if self.cut == 0 else ("main server", f"at most {blocks - 1}")
            return "cut", f"{self.cut} leaves the {side} no block whose layers adapters could stand in: use {way_out}"
        if self.auxiliary.blocks > blocks - self.cut:
            return (
                "auxiliary.blocks",
                f"{self.auxiliary.blocks} are more than the {blocks - self.cut} that come after cut {self.cut}",
            )
        if length > positions:
            field = "preset" if self.pretrained is None else "pretrained"
            return field, f"sequences of data.length={length} tokens do not fit into {positions} positions: lower data.length"
        return None

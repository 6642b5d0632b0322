"""`data` of text: sequences of a fixed number of tokens, each to be followed by the next one.

A sample is x_1 ... x_L, its labels are x_2 ... x_(L+1). Classes are the tokens of the vocabulary.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from heron_ray.spec.relative_path import RelativePath
from heron_ray.spec.samples import Samples
from heron_ray.spec.section import contradiction

BYTE_VOCABULARY = 257
"""A token for each byte, and one for the end of a text."""

GPT2_VOCABULARY = 50_257


class _Text(Samples):
    """What all data sets of text have in common."""

    is_text: ClassVar[bool] = True

    tokenizer: RelativePath | None = Field(
        default=None,
        description="Folder of a tokenizer.json, as save_pretrained of a tokenizer or of a model with one leaves it, below the "
        "folder that HERON_DATA_DIR names. null: every byte of UTF-8 is a token, and one more ends a text; needs no file.",
    )
    vocabulary: int | None = Field(
        default=None,
        ge=2,
        le=10_000_000,
        description="Tokens of the vocabulary, checked when the data are loaded. null: 257 for bytes, 50257 (GPT-2's) with a "
        "tokenizer.",
    )
    length: int = Field(default=64, ge=2, le=65_536, description="Tokens L of a sequence.")
    train_samples: int | None = Field(
        default=None, ge=2, le=100_000_000, description="Training sequences used, those held out included. null: all of them."
    )
    test_samples: int | None = Field(default=None, ge=1, le=100_000_000, description="Test sequences used. null: all of them.")
    validation: float = Field(
        default=0.1, gt=0, lt=1, description="Share of the training sequences used that is held out for validation."
    )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: L tokens."""
        return (self.length,)

    @property
    def classes(self) -> int:
        """Tokens of the vocabulary."""
        if self.vocabulary is not None:
            return self.vocabulary
        return BYTE_VOCABULARY if self.tokenizer is None else GPT2_VOCABULARY

    @property
    def names_makers(self) -> bool:
        """Documents stand for who made a sequence."""
        return True

    @model_validator(mode="after")
    def _bytes_are_256(self) -> Self:
        if self.tokenizer is None and self.classes != BYTE_VOCABULARY:
            message = f"{self.vocabulary} tokens, but bytes have {BYTE_VOCABULARY}: use null, or set data.tokenizer"
            raise contradiction("data.vocabulary", message)
        return self


class ProseData(_Text):
    """The reference topics of Python itself: some 700 kB of technical English that every Python has. No files."""

    kind: Literal["prose"] = Field(description="The topics of Python's help(): each is a document.")
    test: float = Field(default=0.1, gt=0, lt=1, description="Share of the topics that is kept for the test split.")


class E2eNlgData(_Text):
    """E2E NLG (Novikova et al., arXiv 1706.09254): meaning representations of restaurants, and sentences that say them."""

    kind: Literal["e2e_nlg"] = Field(
        description="CSV files with columns mr and ref; a sample is one pair, cut off or filled up to the length."
    )
    path: RelativePath = Field(default="e2e_nlg", description="Folder of the files, below the one HERON_DATA_DIR names.")
    train: RelativePath = Field(default="trainset.csv", description="File of the training pairs, below path.")
    test: RelativePath = Field(default="testset_w_refs.csv", description="File of the test pairs, below path.")
    targets: Literal["reference", "all"] = Field(
        default="reference",
        description="What is to be predicted, and counts in losses, accuracies and perplexities. reference: the sentence and "
        "its end. all: the meaning representation too.",
    )


class TextData(_Text):
    """Text files, each a document, packed one after another into sequences."""

    kind: Literal["text"] = Field(description="UTF-8 text files below a folder: each is a document.")
    path: RelativePath = Field(description="Folder of the files, below the one HERON_DATA_DIR names.")
    train: RelativePath = Field(
        default="train*.txt", description="Training files below path, as a pattern; read in the order of their names."
    )
    test: RelativePath = Field(default="test*.txt", description="Test files below path, as a pattern.")


class SyntheticTokensData(Samples):
    """Sequences of tokens from a Markov chain that is drawn from the seed: as many as wanted, for scale and cost studies."""

    is_text: ClassVar[bool] = True

    kind: Literal["synthetic_tokens"] = Field(description="Sequences of a random Markov chain of tokens. No files.")
    samples: int = Field(default=1_000, ge=10, le=100_000_000, description="Training sequences.")
    vocabulary: int = Field(default=64, ge=2, le=1_000_000, description="Tokens of the vocabulary.")
    length: int = Field(default=64, ge=2, le=65_536, description="Tokens L of a sequence.")
    successors: int = Field(
        default=4,
        ge=1,
        le=1_000,
        description="Tokens that may follow one; the chain's own perplexity, which no model can fall below, is at most that.",
    )

    @property
    def held_out(self) -> int:
        """Sequences for validation, drawn beside the training sequences, and as many for test."""
        return max(10, min(1_000, self.samples // 10))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: L tokens."""
        return (self.length,)

    @property
    def classes(self) -> int:
        """Tokens of the vocabulary."""
        return self.vocabulary

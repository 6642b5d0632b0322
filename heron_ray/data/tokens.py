"""From text to tokens: by a tokenizer's own file, or byte by byte where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heron_ray.directory import DataDirectory
from heron_ray.errors import DataError
from heron_ray.spec.text import BYTE_VOCABULARY

END_OF_TEXT = "<|endoftext|>"
"""GPT-2's token that ends a text."""

_BYTES_END = 256
_FILE = "tokenizer.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A vocabulary and the way into it.

    Attributes:
        encode: Text to numbers of tokens.
        end: The number of the token that ends a text.
        vocabulary: How many tokens there are.

    >>> bytes_as_tokens().encode("né")
    [110, 195, 169]
    """

    encode: Callable[[str], list[int]]
    end: int
    vocabulary: int


def bytes_as_tokens() -> Tokens:
    """Every byte of UTF-8 is a token; 256 ends a text."""
    return Tokens(encode=lambda text: list(text.encode()), end=_BYTES_END, vocabulary=BYTE_VOCABULARY)


def load_tokens(folder: str | None, vocabulary: int) -> Tokens:
    """The tokenizer in a folder, or bytes where none is named.

    Args:
        folder: A path below the folder that HERON_DATA_DIR names, of a tokenizer.json.
        vocabulary: How many tokens the spec says there are.

    Raises:
        DataError: There is no tokenizer, it cannot be read, it has another vocabulary, or no token that ends a text.
    """
    if folder is None:
        return bytes_as_tokens()
    text = _file(folder)
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing more special
        raise DataError(f"{folder}/tokenizer.json is not a tokenizer that the library tokenizers reads: {error}") from error
    found, end = tokenizer.get_vocab_size(), tokenizer.token_to_id(END_OF_TEXT)
    if found != vocabulary:
        raise DataError(
            f"the tokenizer in {folder!r} has {found:,} tokens, and the spec says {vocabulary:,}",
            hint=f"set data.vocabulary={found}; the model needs as many",
        )
    if end is None:
        raise DataError(f"the tokenizer in {folder!r} has no token {END_OF_TEXT}, which ends a text")

    def encode(text: str) -> list[int]:
        numbers: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return numbers

    return Tokens(encode=encode, end=end, vocabulary=found)


def copy_tokenizer(folder: str | None, to: Path) -> None:
    """Put a tokenizer's file beside a model that was trained with it, so that one folder names both. Raises DataError."""
    if folder is not None:
        (to / _FILE).write_text(_file(folder), encoding="utf-8")


def _file(folder: str) -> str:
    directory = DataDirectory.from_environment("data.tokenizer is a folder below the one")
    directory.folder(folder)
    return directory.text(f"{folder}/{_FILE}", limit_bytes=256 * 2**20)

"""From tokens to a data set: sequences of one length, some of them drawn, some held out.

A sample is x = (t_1 ... t_L), its labels y = (t_2 ... t_(L+1)); a label below 0 is not to be predicted and counts nowhere.
Shapes: n = sequences, L = tokens of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from heron_ray.data.dataset import IGNORED, Dataset, Split
from heron_ray.data.tokens import Tokens
from heron_ray.errors import DataError
from heron_ray.spec.text import E2eNlgData, ProseData, TextData

CHOICE_SEED = 20_240_601


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sequences:
    """Sequences and the document that each begins in.

    Attributes:
        name: How messages name them.
        x: Tokens, int64, shape [n, L].
        y: Labels, int64, shape [n, L].
        documents: The document's number, int64, shape [n].
    """

    name: str
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    documents: NDArray[np.int64]


def pack(name: str, documents: Iterable[str], tokens: Tokens, length: int) -> Sequences:
    """Put documents one after another, each with its end, and cut the whole into sequences; what is left over is not used.

    Args:
        name: How messages name them.
        documents: Their texts.
        tokens: The tokenizer.
        length: L.

    Raises:
        DataError: There is less text than one sequence needs.
    """
    encoded = [np.array([*tokens.encode(text), tokens.end], dtype=np.int64) for text in documents]
    stream = np.concatenate([np.empty(0, dtype=np.int64), *encoded])
    count = (len(stream) - 1) // length
    if count < 1:
        raise DataError(
            f"{name}: {len(stream)} tokens make no sequence of data.length={length} and its next token",
            hint="lower data.length or use more text",
        )
    owners = np.repeat(np.arange(len(encoded)), [len(one) for one in encoded])
    used = count * length
    return Sequences(
        name=name,
        x=stream[:used].reshape(count, length),
        y=stream[1 : used + 1].reshape(count, length),
        documents=owners[:used:length],
    )


def fill(
    name: str, pairs: Iterable[tuple[list[int], list[int]]], documents: NDArray[np.int64], tokens: Tokens, length: int
) -> Sequences:
    """A sequence for each pair of what is given and what is to be predicted, cut off, or filled up with what counts nowhere.

    Args:
        name: How messages name them.
        pairs: Tokens given and tokens to be predicted; the end of the text is added to these.
        documents: The pairs' documents, int64, shape [n].
        tokens: The tokenizer.
        length: L.

    Raises:
        DataError: Nothing to be predicted is left of a pair; or there are no pairs.
    """
    x = np.full((len(documents), length), tokens.end, dtype=np.int64)
    y = np.full((len(documents), length), IGNORED, dtype=np.int64)
    if not len(x):
        raise DataError(f"{name} holds no pair")
    for row, (given, wanted) in enumerate(pairs):
        whole = np.array([*given, *wanted, tokens.end][: length + 1])
        x[row, : len(whole) - 1] = whole[:-1]
        first = max(len(given), 1)
        y[row, first - 1 : len(whole) - 1] = whole[first:]
        if len(whole) <= first:
            raise DataError(
                f"{name}, pair {row}: what is given takes all of data.length={length} tokens, and nothing is left to predict",
                hint=f"raise data.length, here to more than {len(given)}",
            )
    return Sequences(name=name, x=x, y=y, documents=documents)


def assemble(spec: ProseData | E2eNlgData | TextData, train: Sequences, test: Sequences) -> Dataset:
    """Choose what a spec asks for. The draw is the same for every experiment, and a larger choice holds a smaller one.

    Args:
        spec: The section.
        train: Sequences of the training split; a share of what is used of them becomes the validation split.
        test: Those of the test split.

    Raises:
        DataError: There are fewer sequences than asked for, or none would be left to train on.
    """
    used, tested = _choose(train, spec.train_samples, "train_samples"), _choose(test, spec.test_samples, "test_samples")
    held_out = max(1, round(spec.validation * len(used)))
    if held_out >= len(used):
        raise DataError(
            f"data.validation={spec.validation:g} of {len(used)} training sequences leaves none to train on",
            hint="lower data.validation or data.length, or use more text",
        )
    held = used[held_out:]
    return Dataset(
        train=_split(train, held),
        validation=_split(train, used[:held_out]),
        test=_split(test, tested),
        classes=spec.classes,
        input_shape=spec.input_shape,
        makers=np.unique(train.documents[held], return_inverse=True)[1].astype(np.int64),
    )


def _split(sequences: Sequences, rows: NDArray[np.int64]) -> Split:
    return Split(x=torch.from_numpy(sequences.x[rows]), y=torch.from_numpy(sequences.y[rows]))


def _choose(sequences: Sequences, wanted: int | None, field: str) -> NDArray[np.int64]:
    """The rows to use, in random order."""
    count = len(sequences.x)
    if wanted is not None and wanted > count:
        raise DataError(f"data.{field}={wanted}, but {sequences.name} make {count} sequences", hint=f"lower data.{field}")
    return np.random.Generator(np.random.SFC64(CHOICE_SEED)).permutation(count)[:wanted]

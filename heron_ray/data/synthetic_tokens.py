"""Sequences of a Markov chain: every token has a few successors, drawn with their probabilities from the seed.

t_1 ~ uniform over the vocabulary,   t_(i+1) ~ p(. | t_i),   p(. | t): `successors` tokens with probabilities ~ Dir(1)
"""

from __future__ import annotations

import numpy as np
import torch

from heron_ray.data.dataset import Dataset, Split
from heron_ray.errors import ExhaustedMemoryError
from heron_ray.spec.text import SyntheticTokensData


def draw_tokens(spec: SyntheticTokensData, seed: int) -> Dataset:
    """Draw a data set.

    Args:
        spec: Numbers of sequences, tokens and successors.
        seed: The only source of randomness; at least 0.

    Returns:
        `spec.samples` training sequences of L tokens, each labelled with the next, and for validation and test a tenth of
        that each, but at least 10 and at most 1,000.

    Raises:
        ExhaustedMemoryError: The sequences do not fit into memory.
    """
    generator = np.random.Generator(np.random.SFC64(seed))
    held_out = spec.held_out
    try:
        successors = generator.integers(spec.vocabulary, size=(spec.vocabulary, spec.successors))
        reach = generator.dirichlet(np.ones(spec.successors), size=spec.vocabulary).cumsum(axis=1)
        chains = np.empty((spec.samples + 2 * held_out, spec.length + 1), dtype=np.int64)
        chains[:, 0] = generator.integers(spec.vocabulary, size=len(chains))
        for place in range(spec.length):
            now, drawn = chains[:, place], generator.random(len(chains))
            # The last bound is 1 but for rounding.
            chosen = (reach[now, :-1] <= drawn[:, None]).sum(axis=1)
            chains[:, place + 1] = successors[now, chosen]
    except MemoryError as error:
        raise ExhaustedMemoryError(
            f"{spec.samples} sequences of {spec.length} tokens do not fit into memory", hint="lower data.samples or data.length"
        ) from error
    ends = (held_out, 2 * held_out, len(chains))
    validation, test, train = (
        Split(x=torch.from_numpy(chains[start:end, :-1].copy()), y=torch.from_numpy(chains[start:end, 1:].copy()))
        for start, end in zip((0, *ends), ends, strict=False)
    )
    return Dataset(train=train, validation=validation, test=test, classes=spec.vocabulary, input_shape=spec.input_shape)

"""The topics of Python's own help(): technical English that is there wherever Python is. Versions of Python differ in it."""

from __future__ import annotations

import numpy as np

from heron_ray.data.dataset import Dataset
from heron_ray.data.sequences import CHOICE_SEED, assemble, pack
from heron_ray.data.tokens import load_tokens
from heron_ray.spec.text import ProseData


def load_prose(spec: ProseData, seed: int) -> Dataset:
    """The topics as documents, a share of them, drawn once and for all, as test split.

    Args:
        spec: The section.
        seed: Not used: the split is fixed, so that results of different experiments can be compared.

    Raises:
        DataError: The tokenizer cannot be used, or there is too little text for the sequences asked for.
    """
    from pydoc_data.topics import topics

    tokens = load_tokens(spec.tokenizer, spec.classes)
    texts = [topics[name] for name in sorted(topics)]
    order = np.random.Generator(np.random.SFC64(CHOICE_SEED)).permutation(len(texts))
    tested = set(order[: max(1, round(spec.test * len(texts)))].tolist())
    train, test = (
        pack(
            "Python's topics", [text for number, text in enumerate(texts) if (number in tested) is is_test], tokens, spec.length
        )
        for is_test in (False, True)
    )
    return assemble(spec, train, test)

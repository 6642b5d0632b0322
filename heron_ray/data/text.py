"""Text files below HERON_DATA_DIR, each of them a document."""

from __future__ import annotations

from heron_ray.data.dataset import Dataset
from heron_ray.data.sequences import assemble, pack
from heron_ray.data.tokens import load_tokens
from heron_ray.directory import DataDirectory
from heron_ray.spec.text import TextData

_LARGEST_BYTES = 2**30


def load_text(spec: TextData, seed: int) -> Dataset:
    """The files of the two patterns, packed into sequences.

    Args:
        spec: The section.
        seed: Not used: what is drawn is drawn once and for all.

    Raises:
        DataError: The tokenizer cannot be used, a file is missing, too large or not UTF-8, or there is too little text.
    """
    directory = DataDirectory.from_environment()
    folder = directory.folder(spec.path)
    tokens = load_tokens(spec.tokenizer, spec.classes)
    train, test = (
        pack(
            f"{spec.path}/{pattern}",
            [directory.text(directory.name(path), limit_bytes=_LARGEST_BYTES) for path in directory.files(folder, pattern)],
            tokens,
            spec.length,
        )
        for pattern in (spec.train, spec.test)
    )
    return assemble(spec, train, test)

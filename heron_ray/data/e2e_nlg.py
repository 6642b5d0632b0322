"""E2E NLG's own CSV files (Novikova et al., arXiv 1706.09254): `mr,ref`.

A sample reads "MR || REFERENCE": what stands before the reference is given, the reference and the end of the text are to be
predicted. All pairs of one meaning representation count as made by one.
"""

from __future__ import annotations

import csv
import io

import numpy as np

from heron_ray.data.dataset import Dataset
from heron_ray.data.sequences import Sequences, assemble, fill
from heron_ray.data.tokens import Tokens, load_tokens
from heron_ray.directory import DataDirectory
from heron_ray.errors import DataError
from heron_ray.spec.text import E2eNlgData

_BETWEEN = " ||"
_LARGEST_BYTES = 256 * 2**20


def load_e2e_nlg(spec: E2eNlgData, seed: int) -> Dataset:
    """Read both files.

    Args:
        spec: The section.
        seed: Not used: what is drawn is drawn once and for all.

    Raises:
        DataError: The tokenizer cannot be used, a file is missing or malformed, or data.length is too short for a pair.
    """
    directory = DataDirectory.from_environment()
    directory.folder(spec.path)
    tokens = load_tokens(spec.tokenizer, spec.classes)
    return assemble(spec, *(_read(spec, directory, tokens, f"{spec.path}/{name}") for name in (spec.train, spec.test)))


def _read(spec: E2eNlgData, directory: DataDirectory, tokens: Tokens, path: str) -> Sequences:
    rows = csv.DictReader(io.StringIO(directory.text(path, limit_bytes=_LARGEST_BYTES), newline=""))
    if not {"mr", "ref"} <= set(rows.fieldnames or ()):
        raise DataError(
            f"{path} has no columns mr and ref: its first line names {', '.join(rows.fieldnames or ()) or 'nothing'}"
        )
    pairs = []
    for row in rows:
        if not row["mr"] or not row["ref"]:
            raise DataError(f"{path}, line {rows.line_num} has no mr or no ref")
        pairs.append((row["mr"], row["ref"]))
    documents = np.unique([meaning for meaning, _ in pairs], return_inverse=True)[1].astype(np.int64)

    def both(meaning: str, reference: str) -> tuple[list[int], list[int]]:
        given, wanted = tokens.encode(meaning + _BETWEEN), tokens.encode(" " + reference)
        return (given, wanted) if spec.targets == "reference" else ([], given + wanted)

    return fill(path, (both(*pair) for pair in pairs), documents, tokens, spec.length)

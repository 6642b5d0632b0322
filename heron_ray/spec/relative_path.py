"""Paths that a spec may name: all of them lie below the folder that HERON_DATA_DIR names."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError


def _stay_below(path: str) -> str:
    """Refuse a path that could lead out of the folder it is meant to lie below: specs come from strangers."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path or not path.isprintable():
        raise PydanticCustomError(
            "path", "must be a relative path with / and without .., below the folder HERON_DATA_DIR names"
        )
    return path


RelativePath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_stay_below)]

"""The base of every part of an experiment spec."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A frozen, closed, strictly typed part of a spec.

    Unknown fields, numbers written as text, infinities and NaN are errors. Every field carries a description, and a
    unit where it has one, so that the JSON Schema is the reference manual. Sections that are alternatives are told
    apart by their `kind`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def contradiction(path: str, message: str) -> PydanticCustomError:
    """An error about the field at `path`, found only when more than that field is at hand; `parse_spec` tells it as it is."""
    return PydanticCustomError("contradiction", "{message}", {"path": path, "message": message})

"""The base of every part of an experiment spec."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen, closed, strictly typed part of a spec.

    Unknown fields, numbers written as text, infinities and NaN are errors. Every field carries a description, and a
    unit where it has one, so that the JSON Schema is the reference manual. Sections that are alternatives are told
    apart by their `kind`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

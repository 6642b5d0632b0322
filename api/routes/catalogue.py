"""The route of the catalogue: what an experiment can be made of."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from heron_ray.catalogue import catalogue

router = APIRouter(prefix="/v1/catalogue", tags=["catalogue"])


class CataloguePart(BaseModel):
    """One thing to choose."""

    kind: str = Field(description="What to write as `kind` in a spec; for a space, its name.")
    description: str = Field(description="One sentence.")
    json_schema: dict[str, Any] = Field(description="JSON Schema of the section.")


@router.get("")
def show_catalogue() -> dict[str, list[CataloguePart]]:
    """List the parts an experiment can be made of, by shelf.

    Methods, models, data sets, partitioners, rules, pre-aggregators, attacks and spaces.
    """
    return {shelf: [CataloguePart(**asdict(part)) for part in parts] for shelf, parts in catalogue().items()}

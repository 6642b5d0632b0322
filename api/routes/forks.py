"""The route of forks: a new experiment that begins with the checkpoint an ended one left behind."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response, status
from pydantic import BaseModel, ConfigDict, Field

from api.routes.events import MAX_CURSOR
from api.routes.experiments import SAME, CallerParameter, KeyParameter, PolicyParameter, StoreParameter, submitted
from api.routes.problems import refusals
from api.routes.wire import Submitted, Tag
from heron_ray.spec import parse_override

MOST_OVERRIDES = 100
EXAMPLE = {"overrides": {"rounds": 40, "method.client_optimizer.lr": 0.02}, "tags": ["example"]}

router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=refusals(422))

Override = Annotated[str, Field(max_length=10_000)]


class Fork(BaseModel):
    """How a fork differs from its parent."""

    model_config = ConfigDict(extra="forbid")

    overrides: dict[str, Any] | list[Override] = Field(
        default_factory=dict,
        max_length=MOST_OVERRIDES,
        description='New values by dotted path, `{"rounds": 900}`, or as on the command line, `["rounds=900"]`.',
    )
    round: int | None = Field(
        default=None, ge=0, le=MAX_CURSOR, description="The round to go on after; null: that of the checkpoint that was kept."
    )
    tags: list[Tag] | None = Field(default=None, max_length=20, description="Labels; null: those of the parent.")

    def pairs(self) -> list[tuple[str, Any]]:
        """The overrides as paths and values. Raises SpecError."""
        if isinstance(self.overrides, dict):
            return list(self.overrides.items())
        return [parse_override(text) for text in self.overrides]


@router.post(
    "/{id}/fork",
    status_code=status.HTTP_201_CREATED,
    response_model=Submitted,
    responses={**refusals(400, 404, 409, 413, 415), **SAME},
)
def fork_experiment(
    id: str,
    change: Annotated[Fork, Body(examples=[EXAMPLE])],
    store: StoreParameter,
    policy: PolicyParameter,
    caller: CallerParameter,
    key: KeyParameter = None,
) -> Response:
    """Fork an ended experiment: its spec with overrides, going on from the checkpoint it left behind.

    A fork may change whatever leaves the model, the data and what is kept between rounds alone: rounds, learning rates, the
    attack, the aggregation, the evaluation. With nothing but more rounds it ends with the digest of a run of that many.
    """
    record, is_new = store.forks.submit(
        id, change.pairs(), round=change.round, tags=change.tags, key=key, submitted_by=caller, require=policy.require
    )
    return submitted(record, is_new=is_new)

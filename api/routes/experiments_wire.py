"""Bodies of the routes that edit experiments, act on many, and compare them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.domain.states import State
from api.routes.problems import Problem
from api.routes.wire import ExperimentSummary, Tag

Action = Literal["cancel", "retry", "archive", "unarchive", "delete"]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class Edit(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    tags: list[Tag] = Field(default_factory=list, max_length=20, description="All the tags it has from now on.")
    archived: bool = Field(default=False, description="Out of the lists; only an ended experiment can be.")


class Actions(BaseModel):
    """One thing to do to many experiments."""

    model_config = ConfigDict(extra="forbid")

    action: Action = Field(description="What to do; each as the route of one experiment does it.")
    ids: list[Id] = Field(min_length=1, max_length=200, description="The experiments; one named twice counts once.")


class Outcome(BaseModel):
    """What became of one of them."""

    id: str
    status: int = Field(description="The HTTP status that the route of one experiment answers with.")
    state: State | None = Field(default=None, description="Where it stands now; of a retry, the new experiment.")
    retried_as: str | None = Field(default=None, description="The id of the new experiment.")
    problem: Problem | None = Field(default=None, description="Why it was not done.")


class Outcomes(BaseModel):
    """One per experiment, in the order of the request."""

    outcomes: list[Outcome]


class Comparison(BaseModel):
    """What tells experiments apart. Inner keys are ids; an experiment without a value is left out."""

    experiments: list[ExperimentSummary] = Field(description="In the order of the request.")
    differences: dict[str, dict[str, JsonValue]] = Field(description="Values of specs that differ, by dotted path.")
    figures: dict[str, dict[str, float]] = Field(description="The numbers of the results, by dotted path.")
    shared_series: list[str] = Field(description="Names of the series that all of them have.")
    series: dict[str, list[str]] = Field(description="By name of a series that not all have, the ids of those that do.")


def example_edit() -> dict[str, Any]:
    """A request body that can be sent as it is."""
    return {"tags": ["example", "edited"]}


def example_actions() -> dict[str, Any]:
    """A request body for the experiment in the shell's `$ID`, once it has ended."""
    return {"action": "archive", "ids": ["$ID"]}

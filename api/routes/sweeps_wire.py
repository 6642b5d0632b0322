"""Sweeps as JSON: what is submitted and what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from api.domain.states import State
from api.domain.sweeps import PointRecord, SweepRecord, TrialRecord, best_trial, pareto_set, points_of
from heron_ray.figures import importance_bars
from heron_ray.spec.sweep import Objective, Scheduler, Search
from tune_spaces import sweep_of

# What a summary shows of the plan, as it stands there.
PLAN = ("samples", "seeds", "search", "scheduler", "objectives", "budget", "warm_start", "seed")


class SweepSubmission(BaseModel):
    """A sweep to run."""

    model_config = ConfigDict(extra="forbid")

    # Any, because `plan_sweep` and `require_fit` judge them: their messages are those of the command line.
    spec: Any = Field(description="The experiment that is varied.", json_schema_extra={"type": "object"})
    space: Any = Field(
        description="The name of a space, or one spelled out: dotted paths to axes, each with its `kind`; or an object with "
        "`axes` and `given`, fields that every trial has set.",
        json_schema_extra={"type": ["string", "object"]},
    )
    samples: int = Field(ge=1, le=10_000, description="Points; fewer where the space has fewer distinct ones.")
    seeds: int = Field(default=1, ge=1, le=100, description="Trials per point, with as many seeds from the spec's on.")
    search: Search = Field(
        default="random",
        description="random; grid: evenly spread points of every axis, crossed; optuna, gp, nsga2: these learn from trials.",
    )
    scheduler: Scheduler = Field(default="none", description="asha and median stop trials that fall behind.")
    objectives: list[Any] | None = Field(
        default=None,
        description="What points are compared by: `series`, `direction`, `reduce`, `until_accuracy`. null: the highest "
        "validation accuracy.",
        json_schema_extra={"items": {"type": "object"}},
    )
    budget: Any = Field(
        default=None,
        description="What all trials may cost together: `trials`, `rounds`, `bytes`, `wall_s`.",
        json_schema_extra={"type": ["object", "null"]},
    )
    warm_start: list[str] = Field(default=[], max_length=10, description="Ended sweeps that an adaptive search learns from.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of the search.")

    def plan(self) -> dict[str, Any]:
        """The fields of a `SweepSpec` but for its space."""
        found = self.model_dump(include=set(PLAN))
        return {name: value for name, value in found.items() if value is not None}


class SubmittedSweep(BaseModel):
    """A sweep that is now in the database."""

    id: str
    state: State


class Extension(BaseModel):
    """More points for a sweep."""

    model_config = ConfigDict(extra="forbid")

    samples: int = Field(ge=1, le=10_000, description="As many more.")


class Trial(BaseModel):
    """One trial of a sweep; its experiment says more."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="1, 2, 3, ... in the order in which they were proposed.")
    overrides: dict[str, Any] = Field(description="The value of every axis that it has, by dotted path.")
    state: State
    reason: str | None
    round: int = Field(description="Rounds finished.")
    rounds: int | None = Field(description="Rounds asked for.")
    validation_accuracy: float | None = Field(description="The newest or final one.")
    test_accuracy: float | None = Field(description="For reporting only.")
    values: list[float | None] | None = Field(description="What it came to, one per objective; null before it has ended.")
    experiment_id: str | None = Field(description="null before it is submitted.")


class Point(BaseModel):
    """One point of the space: one trial, or one for each seed."""

    number: int = Field(description="1, 2, 3, ... in the order in which they were proposed.")
    overrides: dict[str, Any] = Field(description="The value of every axis that it has, by dotted path.")
    trials: list[int] = Field(description="The numbers of its trials.")
    means: list[float] | None = Field(description="Of its trials' values, one per objective; null until all of them succeeded.")
    deviations: list[float] | None = Field(description="Their standard deviations over seeds; 0 with one seed.")
    optimal: bool = Field(description="Whether no other point beats it: it is in the Pareto set, or has the best mean.")

    @classmethod
    def describe(cls, point: PointRecord, *, optimal: bool) -> Self:
        """As JSON."""
        plain = ("number", "overrides", "trials", "means", "deviations")
        return cls.model_validate({**{name: getattr(point, name) for name in plain}, "optimal": optimal})


class SweepSummary(BaseModel):
    """A sweep as a line of a list."""

    id: str
    name: str = Field(description="The name of the experiment that is varied.")
    state: State
    reason: str | None = Field(description="A stable code that says why it is in this state, if there is one.")
    message: str | None = Field(description="A sentence beside the reason.")
    paused: bool = Field(description="Whether no more trials begin until it is resumed.")
    space: str = Field(description="The name of the space, or `inline`.")
    samples: int
    seeds: int
    search: Search
    scheduler: Scheduler
    objectives: list[dict[str, Any]]
    budget: dict[str, Any]
    warm_start: list[str]
    seed: int
    created_at: datetime
    updated_at: datetime
    submitted_by: str | None = Field(description="The id of the API key it came with; null: from this machine, without one.")

    @staticmethod
    def fields_of(record: SweepRecord) -> dict[str, Any]:
        """Its values."""
        plain = ("id", "name", "state", "reason", "message", "created_at", "updated_at", "submitted_by")
        # By way of the plan, for sweeps of earlier versions know fewer fields.
        plan = sweep_of(record.sweep).model_dump(mode="json")
        return {
            **{name: getattr(record, name) for name in plain},
            **{name: plan[name] for name in PLAN},
            "paused": record.paused_at is not None,
            "space": plan["space"]["name"],
        }


class SweepDetail(SweepSummary):
    """Everything about one sweep but its trials' curves."""

    spec: dict[str, Any] = Field(description="The experiment that is varied, as it was submitted.")
    axes: dict[str, Any] = Field(description="What varies, by dotted path.")
    given: dict[str, Any] = Field(description="Fields that every trial has set, by dotted path.")
    owner_pid: int | None = Field(description="The process in which Ray Tune runs.")
    trials: list[Trial] = Field(description="Empty before they are proposed.")
    points: list[Point] = Field(description="The trials by point; those that are `optimal` are the Pareto set.")
    best: Trial | None = Field(
        description="The first trial of the point with the best mean so far; null with several objectives, which have no best."
    )

    @classmethod
    def describe(cls, record: SweepRecord, trials: list[TrialRecord]) -> Self:
        """As JSON."""
        plan = sweep_of(record.sweep)
        points = points_of(trials, seeds=plan.seeds)
        optimal = {point.number for point in pareto_set(points, plan.objectives)}
        best = best_trial(trials, objectives=plan.objectives, seeds=plan.seeds)
        space = plan.space.model_dump(mode="json")
        return cls(
            **cls.fields_of(record),
            spec=record.base,
            axes=space["axes"],
            given=space["given"],
            owner_pid=record.owner_pid,
            trials=[Trial.model_validate(trial) for trial in trials],
            points=[Point.describe(point, optimal=point.number in optimal) for point in points],
            best=None if best is None else Trial.model_validate(best),
        )


class SweepPage(BaseModel):
    """Sweeps, newest first."""

    sweeps: list[SweepSummary]
    next: str | None = Field(description="Pass it as `before` for the next page; null on the last.")


class ObjectiveImportance(BaseModel):
    """How much of one objective's spread each axis explains."""

    objective: str = Field(description="In words.")
    importances: dict[str, float] = Field(description="Shares of 1, the largest first; empty where too little is known.")
    figure: dict[str, Any] = Field(description="A Plotly figure of them: `data` and `layout`.")

    @classmethod
    def of(cls, objective: Objective, importances: dict[str, float]) -> Self:
        """As JSON."""
        return cls(objective=objective.label, importances=importances, figure=importance_bars(importances))


class Importance(BaseModel):
    """How much each axis matters, by fANOVA over the points that came to their ends."""

    points: int = Field(description="Points that it is known from.")
    objectives: list[ObjectiveImportance]

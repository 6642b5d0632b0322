"""A sweep: over which space, how it is searched, by which figures its points are compared, and what it may cost."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from heron_ray.spec.section import Section
from heron_ray.spec.space import SearchSpace

Search: TypeAlias = Literal["random", "grid", "optuna", "gp", "nsga2"]
Scheduler: TypeAlias = Literal["none", "asha", "median"]
Direction: TypeAlias = Literal["max", "min"]

ADAPTIVE: frozenset[Search] = frozenset({"optuna", "gp", "nsga2"})
"""Searches whose proposals hang on what the earlier ones came to."""

COSTS = "costs."


class Objective(Section):
    """One figure of an experiment, and which way is better.

    Example:
        >>> Objective(series="bytes_up", direction="min", reduce="sum", until_accuracy=0.9).label
        'min sum of bytes_up until validation accuracy 0.9'
    """

    series: str = Field(
        default="validation_accuracy",
        pattern=r"^[A-Za-z0-9_.]{1,200}$",
        description="A series of the experiment, or a figure of its result such as costs.client_peak_bytes.",
    )
    direction: Direction = Field(default="max", description="max: more is better. min: less is.")
    reduce: Literal["last", "best", "mean", "sum"] = Field(
        default="last", description="What of the series: its last value, its best one, its mean over rounds, or their sum."
    )
    until_accuracy: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Only the rounds up to the first evaluation with this validation accuracy count; without one there is no "
        "value. null: all rounds.",
    )

    @model_validator(mode="after")
    def _decides_on_validation(self) -> Objective:
        if "test_" in self.series:
            raise ValueError(f"{self.series} is for reporting only and decides nothing: use the validation split")
        if self.is_cost and (self.reduce != "last" or self.until_accuracy is not None):
            raise ValueError(f"{self.series} is one figure per run, which has no rounds to reduce")
        return self

    @property
    def is_cost(self) -> bool:
        """Whether it is a figure of the result and no series."""
        return self.series.startswith(COSTS)

    @property
    def is_curve(self) -> bool:
        """Whether trials can be compared by it while they run."""
        return not self.is_cost and self.reduce in ("last", "best") and self.until_accuracy is None

    @property
    def label(self) -> str:
        """In words."""
        what = self.series if self.reduce == "last" else f"{self.reduce} of {self.series}"
        until = "" if self.until_accuracy is None else f" until validation accuracy {self.until_accuracy:g}"
        return f"{self.direction} {what}{until}"

    def is_better(self, one: float, other: float) -> bool:
        """Whether one value is strictly better than another."""
        return one > other if self.direction == "max" else one < other


class Budget(Section):
    """What all trials of a sweep may cost together. Once it is spent no more begin; those under way go to their ends."""

    trials: int | None = Field(default=None, ge=1, description="Trials begun. null: as many as are proposed.")
    rounds: int | None = Field(default=None, ge=1, description="Rounds. null: any number.")
    bytes: int | None = Field(default=None, ge=1, description="Bytes sent up and down by trials that have ended. null: any.")
    wall_s: float | None = Field(
        default=None, gt=0, description="Seconds that the trials that have ended ran, added up. null: any number."
    )


class SweepSpec(Section):
    """A sweep but for the experiment it varies: the same one proposes the same points where nothing is learnt from trials."""

    space: SearchSpace = Field(description="What varies.")
    samples: int = Field(ge=1, le=10_000, description="Points; fewer where the space has fewer distinct ones.")
    seeds: int = Field(
        default=1, ge=1, le=100, description="Trials per point: with the seeds s, s + 1, ... where s is the spec's."
    )
    search: Search = Field(
        default="random",
        description=(
            "random: drawn from each axis. grid: evenly spread points of every axis, crossed. optuna: a tree-structured Parzen "
            "estimator. gp: Bayesian, by a Gaussian process. nsga2: a population that evolves."
        ),
    )
    scheduler: Scheduler = Field(
        default="none",
        description=(
            "none: every trial runs to its end. asha: the best third goes on at each rung. median: a trial worse than the "
            "median of the others is stopped. Both compare by the first objective."
        ),
    )
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, max_length=4)] = Field(
        default=(Objective(),), description="By what points are compared; several have no best one but a Pareto set."
    )
    budget: Budget = Field(default=Budget(), description="What all trials may cost together.")
    warm_start: Annotated[tuple[str, ...], Field(max_length=10)] = Field(
        default=(), description="Ids of ended sweeps whose points an adaptive search learns from before its first."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of the search.")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> SweepSpec:
        if self.scheduler != "none" and not self.objectives[0].is_curve:
            raise ValueError(
                f"scheduler {self.scheduler} compares running trials, which have no {self.objectives[0].label} yet: use "
                "none, or put a series with reduce last or best first"
            )
        if self.warm_start and not self.is_adaptive:
            raise ValueError(f"search {self.search} learns nothing from earlier sweeps: leave warm_start out")
        if self.seeds > 1 and ("seed" in self.space.axes or "seed" in self.space.given):
            raise ValueError("seeds sets the seed of every trial: leave seed out of the space, or use seeds=1")
        if len({objective.label for objective in self.objectives}) < len(self.objectives):
            raise ValueError("two objectives are the same")
        return self

    @property
    def is_adaptive(self) -> bool:
        """Whether proposals hang on what earlier points came to."""
        return self.search in ADAPTIVE

    def point_of(self, trial: int) -> int:
        """The number of the point that a trial belongs to; both count from 1."""
        return (trial - 1) // self.seeds + 1

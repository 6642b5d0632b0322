"""Routes of sweeps: submit, list, look, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field

from api.domain.states import State
from api.domain.sweeps import SweepRecord, TrialRecord, best_trial
from api.routes.examples import example_spec
from api.routes.experiments import PolicyParameter, StoreParameter
from api.routes.problems import refusals
from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.space import Scheduler, Search, SweepSpec
from tune_spaces import extreme_specs, require_fit, resolve_space

EXAMPLE = {"spec": example_spec(), "space": "mu", "samples": 8, "search": "random", "scheduler": "none"}

router = APIRouter(prefix="/v1/sweeps", tags=["sweeps"], responses=refusals(422))


class SweepSubmission(BaseModel):
    """A sweep to run."""

    model_config = ConfigDict(extra="forbid")

    # Any, because `require_fit` and `resolve_space` judge them: their messages are those of the command line.
    spec: Any = Field(description="The experiment that is varied.", json_schema_extra={"type": "object"})
    space: Any = Field(
        description="The name of a space, or one spelled out: dotted paths to axes, each with its `kind`.",
        json_schema_extra={"type": ["string", "object"]},
    )
    samples: int = Field(ge=1, le=10_000, description="Trials; fewer where the space has fewer distinct ones.")
    search: Search = Field(default="random", description="random, or grid: evenly spread points of every axis, crossed.")
    scheduler: Scheduler = Field(default="none", description="asha stops trials that fall behind on validation accuracy.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of the random search.")


class SubmittedSweep(BaseModel):
    """A sweep that is now in the database."""

    id: str
    state: State


class Trial(BaseModel):
    """One trial of a sweep; its experiment says more."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="1, 2, 3, ... in the order in which they were proposed.")
    overrides: dict[str, Any] = Field(description="The value of every axis, by dotted path.")
    state: State
    reason: str | None
    round: int = Field(description="Rounds finished.")
    rounds: int | None = Field(description="Rounds asked for.")
    validation_accuracy: float | None = Field(description="The newest or final one; decides what is best.")
    test_accuracy: float | None = Field(description="For reporting only.")
    experiment_id: str | None = Field(description="null before it is submitted.")


class SweepSummary(BaseModel):
    """A sweep as a line of a list."""

    id: str
    name: str = Field(description="The name of the experiment that is varied.")
    state: State
    reason: str | None = Field(description="A stable code that says why it is in this state, if there is one.")
    message: str | None = Field(description="A sentence beside the reason.")
    space: str = Field(description="The name of the space, or `inline`.")
    samples: int
    search: Search
    scheduler: Scheduler
    seed: int
    created_at: datetime
    updated_at: datetime


class SweepDetail(SweepSummary):
    """Everything about one sweep but its trials' curves."""

    spec: dict[str, Any] = Field(description="The experiment that is varied, as it was submitted.")
    axes: dict[str, Any] = Field(description="What varies, by dotted path.")
    given: dict[str, Any] = Field(description="Fields that every trial has set, by dotted path.")
    owner_pid: int | None = Field(description="The process in which Ray Tune runs.")
    trials: list[Trial] = Field(description="Empty before they are proposed.")
    best: Trial | None = Field(description="The trial that succeeded with the highest validation accuracy so far.")


class SweepPage(BaseModel):
    """Sweeps, newest first."""

    sweeps: list[SweepSummary]
    next: str | None = Field(description="Pass it as `before` for the next page; null on the last.")


@router.post("", status_code=status.HTTP_201_CREATED, responses=refusals(400, 413, 415))
def submit_sweep(
    submission: Annotated[SweepSubmission, Body(examples=[EXAMPLE])],
    response: Response,
    store: StoreParameter,
    policy: PolicyParameter,
) -> SubmittedSweep:
    """Submit a sweep. Every trial becomes an experiment; `Location` says where to follow the sweep."""
    base = submission.spec
    if not isinstance(base, Mapping):
        raise SpecError([SpecIssue(path="spec", message="a spec must be a mapping of names to values")])
    sweep = SweepSpec(
        space=resolve_space(submission.space),
        samples=submission.samples,
        search=submission.search,
        scheduler=submission.scheduler,
        seed=submission.seed,
    )
    name = require_fit(sweep, base).name
    policy.require_trials(sweep.samples)
    for spec in extreme_specs(sweep.space, base):
        policy.require(spec)
    record = store.sweeps.submit(base, sweep, name=name)
    response.headers["Location"] = f"{router.prefix}/{record.id}"
    return SubmittedSweep(id=record.id, state=record.state)


@router.get("", responses=refusals(404))
def list_sweeps(
    store: StoreParameter,
    limit: Annotated[int, Query(ge=1, le=200, description="At most this many.")] = 50,
    before: Annotated[str | None, Query(description="The `next` of the page before: only older sweeps.")] = None,
) -> SweepPage:
    """List sweeps, newest first."""
    records = store.sweeps.list(limit=limit + 1, before=before)
    page = records[:limit]
    more = len(records) > limit
    return SweepPage(sweeps=[SweepSummary(**_summary(record)) for record in page], next=page[-1].id if more else None)


@router.get("/{id}", responses=refusals(404))
def show_sweep(id: str, store: StoreParameter) -> SweepDetail:
    """Show one sweep: where it stands, its trials, and which of them is best."""
    return _detail(store.sweeps.get(id), store.sweeps.trials(id))


@router.post("/{id}/cancel", responses=refusals(404, 409))
def cancel_sweep(id: str, store: StoreParameter) -> SweepDetail:
    """Cancel: its trials end after their rounds, those that have ended stay."""
    return _detail(store.sweeps.request_cancel(id), store.sweeps.trials(id))


def _summary(record: SweepRecord) -> dict[str, Any]:
    plain = ("id", "name", "state", "reason", "message", "created_at", "updated_at")
    chosen = {name: record.sweep[name] for name in ("samples", "search", "scheduler", "seed")}
    return {**{name: getattr(record, name) for name in plain}, **chosen, "space": record.sweep["space"]["name"]}


def _detail(record: SweepRecord, trials: list[TrialRecord]) -> SweepDetail:
    best = best_trial(trials)
    space = record.sweep["space"]
    return SweepDetail(
        **_summary(record),
        spec=record.base,
        axes=space["axes"],
        given=space["given"],
        owner_pid=record.owner_pid,
        trials=[Trial.model_validate(trial) for trial in trials],
        best=None if best is None else Trial.model_validate(best),
    )

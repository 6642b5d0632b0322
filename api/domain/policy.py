"""`Policy`: the largest experiment that the operator of a service allows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from heron_ray.errors import PolicyError, ServiceError, SpecError, SpecIssue
from heron_ray.spec import ExperimentSpec, read_spec_file
from heron_ray.spec.data import DigitsData, SyntheticData
from heron_ray.spec.plugins import PluginData
from heron_ray.spec.text import SyntheticTokensData

Limit: TypeAlias = Annotated[int | None, Field(ge=1)]
HINT = "make it smaller, or ask whoever runs the service"


class Policy(BaseModel):
    """Limits on what may be submitted, beside those of the schema. Null: none.

    Example:
        >>> Policy(max_rounds=1000).model_dump(exclude_defaults=True)
        {'max_rounds': 1000}
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_rounds: Limit = Field(default=None, description="Rounds of an experiment.")
    max_clients: Limit = Field(default=None, description="Clients of a population.")
    max_samples: Limit = Field(default=None, description="Training samples. Image files then need `data.train_samples`.")
    max_actors: Limit = Field(default=None, description="Client actors of an experiment.")
    max_threads: Limit = Field(default=None, description="Threads of each process of an experiment.")
    max_trials: Limit = Field(default=None, description="Trials of a sweep, experiments of a study.")
    executors: tuple[Literal["auto", "local", "ray"], ...] | None = Field(default=None, description="Allowed executors.")
    devices: tuple[Literal["cpu", "cuda"], ...] | None = Field(default=None, description="Allowed devices.")

    @classmethod
    def read(cls, path: Path) -> Policy:
        """From a YAML or JSON file. Raises ServiceError where it cannot be read or is no policy; names every fault."""
        try:
            return cls.model_validate_json(json.dumps(read_spec_file(path)))
        except SpecError as error:
            raise ServiceError(f"the policy cannot be read: {error.message}") from None
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            known = ", ".join(cls.model_fields)
            raise ServiceError(f"{path} is not a policy: {faults}", hint=f"a policy may set {known}") from None

    def require(self, spec: ExperimentSpec) -> None:
        """Let an experiment pass. Raises PolicyError, which names every field over its limit, its value and the limit."""
        if issues := list(self._issues(spec)):
            raise PolicyError(issues, hint=HINT)

    def require_trials(self, trials: int, *, of: str = "samples") -> None:
        """Let a sweep or study of so many experiments pass; `of` is the field they come of. Raises PolicyError."""
        if issues := list(_over(of, trials, self.max_trials, "experiments of one sweep or study")):
            raise PolicyError(issues, hint=HINT)

    def _issues(self, spec: ExperimentSpec) -> Iterator[SpecIssue]:
        compute = spec.compute
        yield from _over("rounds", spec.rounds, self.max_rounds, "rounds")
        yield from _over("clients.count", spec.clients.count, self.max_clients, "clients")
        yield from self._too_many_samples(spec)
        yield from _over("compute.actors", compute.actors, self.max_actors, "actors")
        yield from _over("compute.threads", compute.threads, self.max_threads, "threads")
        yield from _outside("compute.executor", compute.executor, self.executors)
        yield from _outside("compute.device", compute.device, self.devices)

    def _too_many_samples(self, spec: ExperimentSpec) -> Iterator[SpecIssue]:
        match spec.data:
            case DigitsData() | PluginData():
                # Few, or as many as the operator installed.
                return
            case SyntheticData(samples=samples) | SyntheticTokensData(samples=samples):
                yield from _over("data.samples", samples, self.max_samples, "training samples")
            case files if files.train_samples is not None:
                yield from _over("data.train_samples", files.train_samples, self.max_samples, "training samples")
            case _ if self.max_samples is not None:
                message = f"null stands for all there are; this service wants a number, at most {self.max_samples}"
                yield SpecIssue(path="data.train_samples", message=message)


def _over(path: str, value: int, limit: int | None, things: str) -> Iterator[SpecIssue]:
    if limit is not None and value > limit:
        yield SpecIssue(path=path, message=f"{value} is more than the {limit} {things} that this service allows")


def _outside(path: str, value: str, allowed: tuple[str, ...] | None) -> Iterator[SpecIssue]:
    if allowed is not None and value not in allowed:
        told = ", ".join(allowed) or "none"
        yield SpecIssue(path=path, message=f"{value!r} is not allowed by this service; allowed: {told}")

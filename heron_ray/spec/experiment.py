"""`ExperimentSpec`: the only description of an experiment, from YAML file to database row to checkpoint header."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.spec.attack import AttackSpec
from heron_ray.spec.compute import ClientsSpec, ComputeSpec, EvaluationSpec, StopSpec
from heron_ray.spec.data import DataSpec
from heron_ray.spec.edge import EdgeSpec
from heron_ray.spec.method import MethodSpec
from heron_ray.spec.model import ModelSpec
from heron_ray.spec.partition import PartitionSpec
from heron_ray.spec.section import Section

SCHEMA_VERSION = 1


class ExperimentSpec(Section):
    """One experiment, complete: the same spec gives the same result, bit for bit."""

    NOT_IN_TRAJECTORY: ClassVar[tuple[str, ...]] = (
        "name",
        "compute.executor",
        "compute.actors",
        "compute.checkpoint_every",
    )
    """Paths that must not change a result and are left out of `trajectory_hash`."""

    schema_version: int = Field(
        default=SCHEMA_VERSION, ge=1, le=SCHEMA_VERSION, description="Version of this schema; older ones are migrated."
    )
    name: str = Field(
        default="experiment",
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="A name for people, on one line.",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Every random draw is derived from it.")
    rounds: int = Field(ge=1, le=100_000_000, description="Rounds T.")
    data: DataSpec = Field(description="The samples.")
    partition: PartitionSpec = Field(description="Which client holds which training samples.")
    model: ModelSpec = Field(description="The split network.")
    clients: ClientsSpec = Field(description="Who takes part and what each does in a round.")
    method: MethodSpec = Field(description="The training method.")
    aggregation: AggregationSpec = Field(description="How the clients' updates are joined.")
    attack: AttackSpec | None = Field(default=None, description="What Byzantine clients do. null: every client is honest.")
    edge: EdgeSpec | None = Field(
        default=None, description="Simulated devices, links and time. null: no client is slow, far away or absent."
    )
    evaluation: EvaluationSpec = Field(default=EvaluationSpec(), description="When the global model is judged.")
    stop: StopSpec | None = Field(default=None, description="When to end early. null: after the last round.")
    compute: ComputeSpec = Field(default=ComputeSpec(), description="Where the run executes.")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ExperimentSpec:
        if self.clients.cohort > self.clients.count:
            raise _contradiction(
                "clients.per_round",
                f"{self.clients.cohort} clients cannot be sampled from clients.count={self.clients.count}",
            )
        if (fault := self.model.fault(self.data.input_shape)) is not None:
            raise _contradiction(f"model.{fault[0]}", fault[1])
        if (fault := self.aggregation.fault(self.clients.cohort)) is not None:
            raise _contradiction(f"aggregation.{fault[0]}", fault[1])
        if (fault := self.method.fault(self)) is not None:
            raise _contradiction(*fault)
        if self.compute.compile and self.method.kind != "heron":
            raise _contradiction("compute.compile", f"only heron's clients compile, not {self.method.kind}'s: use false")
        if self.evaluation.estimator_quality and not self.method.probes_clients:
            raise _contradiction(
                "evaluation.estimator_quality",
                f"{self.method.kind}'s clients make no zeroth-order estimate to be judged: use false",
            )
        return self

    @model_validator(mode="after")
    def _edge_fits(self) -> ExperimentSpec:
        if self.edge is not None and (fault := self.edge.fault(self)) is not None:
            raise _contradiction(*fault)
        return self

    @model_validator(mode="after")
    def _attack_can_happen(self) -> ExperimentSpec:
        attack = self.attack
        if attack is None:
            return self
        if attack.byzantine > self.clients.count:
            raise _contradiction(
                "attack.byzantine", f"{attack.byzantine} clients cannot be Byzantine of clients.count={self.clients.count}"
            )
        if attack.start_round > self.rounds:
            raise _contradiction("attack.start_round", f"{attack.start_round} lies beyond the last round, rounds={self.rounds}")
        if attack.acts_on == "update" and not self.method.sends_vectors():
            raise _contradiction(
                "attack.kind",
                f"{attack.kind} acts on the parameters that clients upload, and {self.method.kind}'s clients upload none here: "
                "use attack=null, or label_flip",
            )
        return self

    def canonical(self) -> dict[str, Any]:
        """The spec as plain JSON values with every default filled in.

        Without an edge there is no such key: the hashes are those of specs from before there were edges.
        """
        values = self.model_dump(mode="json")
        if self.edge is None:
            del values["edge"]
        return values

    def spec_hash(self) -> str:
        """SHA-256 over the canonical form, as 64 hexadecimal digits."""
        return _hash(self.canonical())

    def trajectory_hash(self) -> str:
        """SHA-256 over what may change a result: the canonical form without `NOT_IN_TRAJECTORY`."""
        canonical = self.canonical()
        for path in self.NOT_IN_TRAJECTORY:
            *parents, leaf = path.split(".")
            holder = canonical
            for parent in parents:
                holder = holder[parent]
            del holder[leaf]
        return _hash(canonical)


def _hash(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _contradiction(path: str, message: str) -> PydanticCustomError:
    """An error about `path` found only when the whole spec is at hand."""
    return PydanticCustomError("contradiction", "{message}", {"path": path, "message": message})

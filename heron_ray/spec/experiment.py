"""`ExperimentSpec`: the only description of an experiment, from YAML file to database row to checkpoint header."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar

from pydantic import Field, model_validator

from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.spec.attack import AttackSpec
from heron_ray.spec.compute import ClientsSpec, ComputeSpec, EvaluationSpec, StopSpec
from heron_ray.spec.data import DataSpec
from heron_ray.spec.edge import EdgeSpec
from heron_ray.spec.language import language_fault
from heron_ray.spec.method import MethodSpec
from heron_ray.spec.model import ModelSpec
from heron_ray.spec.partition import PartitionSpec
from heron_ray.spec.privacy import PrivacySpec
from heron_ray.spec.section import Section, contradiction
from heron_ray.spec.smashed_defence import SmashedDefenceSpec

SCHEMA_VERSION = 1
MOST_TOLD = 200_000
"""Losses of single clients that a run's events may tell."""


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
    smashed_defence: SmashedDefenceSpec | None = Field(
        default=None,
        exclude_if=lambda defence: defence is None,
        description="How the main server defends itself against what clients send it. null: it learns from every upload.",
    )
    edge: EdgeSpec | None = Field(
        default=None,
        exclude_if=lambda edge: edge is None,
        description="Simulated devices, links and time. null: no client is slow, far away or absent.",
    )
    privacy: PrivacySpec | None = Field(
        default=None,
        exclude_if=lambda privacy: privacy is None,
        description="Clipping and noise on what clients send, with an account of epsilon. null: it goes up as it is.",
    )
    evaluation: EvaluationSpec = Field(default=EvaluationSpec(), description="When the global model is judged.")
    stop: StopSpec | None = Field(default=None, description="When to end early. null: after the last round.")
    compute: ComputeSpec = Field(default=ComputeSpec(), description="Where the run executes.")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ExperimentSpec:
        if self.clients.cohort > self.clients.count:
            raise contradiction(
                "clients.per_round",
                f"{self.clients.cohort} clients cannot be sampled from clients.count={self.clients.count}",
            )
        if (fault := self.model.fault(self.data.input_shape)) is not None:
            raise contradiction(f"model.{fault[0]}", fault[1])
        if (fault := self.aggregation.fault(self.clients.cohort, self.clients.count)) is not None:
            raise contradiction(f"aggregation.{fault[0]}", fault[1])
        if (fault := self.partition.fault(self.clients.count, self.data.classes)) is not None:
            raise contradiction(f"partition.{fault[0]}", fault[1])
        if (fault := self.method.fault(self)) is not None:
            raise contradiction(*fault)
        self._require_an_objective_that_can_be_met()
        if self.compute.compile and self.method.kind != "heron":
            raise contradiction("compute.compile", f"only heron's clients compile, not {self.method.kind}'s: use false")
        if self.evaluation.estimator_quality and not self.method.probes_clients:
            raise contradiction(
                "evaluation.estimator_quality",
                f"{self.method.kind}'s clients make no zeroth-order estimate to be judged: use false",
            )
        self._require_a_root_that_can_train()
        self._require_client_losses_that_are_known()
        self._require_leakage_that_can_be_seen()
        if (spectrum := self.evaluation.spectrum) is not None:
            if not self.method.shares_client_loss:
                raise contradiction(
                    "evaluation.spectrum",
                    f"{self.method.kind}'s clients have no loss in common whose Hessian could be looked at: use null",
                )
            if spectrum.every % self.evaluation.every:
                raise contradiction(
                    "evaluation.spectrum.every", f"{spectrum.every} is no multiple of evaluation.every={self.evaluation.every}"
                )
        return self

    def _require_a_root_that_can_train(self) -> None:
        method, kind = self.method, self.aggregation.kind
        if self.aggregation.root_samples is None:
            return
        if method.waits_for_server:
            raise contradiction(
                "aggregation.kind",
                f"{kind} needs a round at the federation server alone, and {method.kind}'s clients wait for the main server",
            )
        if self.edge is not None and self.edge.buffer is not None and self.edge.buffer.weight != "constant":
            raise contradiction(
                "edge.buffer.weight",
                f"{kind} brings every update to one length, which would undo the weight of a late one: use constant",
            )
        keeps_head = method.trains_auxiliary and not method.averages_auxiliary
        if keeps_head or getattr(method, "client_optimizer_lifetime", "round") == "run":
            raise contradiction(
                "aggregation.kind",
                f"{kind} needs a round that begins with what is broadcast, and these clients keep more from round to round",
            )

    def _require_client_losses_that_are_known(self) -> None:
        every, cohort = self.evaluation.client_losses, self.clients.cohort
        if every is None:
            return
        if not self.method.knows_client_loss:
            raise contradiction("evaluation.client_losses", f"{self.method.kind}'s clients know no loss of their own: use null")
        if (told := self.rounds // every * cohort) > MOST_TOLD:
            message = f"{cohort:,} clients of every {every}th round are {told:,} losses, and {MOST_TOLD:,} are the most: "
            least = -(-self.rounds * cohort // MOST_TOLD)
            raise contradiction("evaluation.client_losses", message + f"use {least} or more, or null")

    def _require_leakage_that_can_be_seen(self) -> None:
        leakage = self.evaluation.leakage
        if leakage is None:
            return
        if not self.method.has_main_server:
            raise contradiction("evaluation.leakage", f"{self.method.kind}'s clients send no smashed data: use null")
        if leakage.every % self.evaluation.every:
            raise contradiction(
                "evaluation.leakage.every", f"{leakage.every} is no multiple of evaluation.every={self.evaluation.every}"
            )

    def _require_an_objective_that_can_be_met(self) -> None:
        method, objective = self.method, self.method.objective
        if objective == "cross_entropy":
            return
        if not method.takes_objectives:
            raise contradiction(
                "method.objective",
                f"{objective} has no derivative, and {method.kind}'s clients do not descend a loss of their own by forward "
                "passes alone: use cross_entropy, or method.kind=heron or fedzo",
            )
        unmeant = {
            "compute.compile": (self.compute.compile, "false"),
            "evaluation.estimator_quality": (self.evaluation.estimator_quality, "false"),
            "evaluation.spectrum": (self.evaluation.spectrum is not None, "null"),
        }
        for path, (is_set, way_out) in unmeant.items():
            if is_set:
                raise contradiction(path, f"it is about cross_entropy, and method.objective is {objective}: use {way_out}")

    @model_validator(mode="after")
    def _text_meets_a_language_model(self) -> ExperimentSpec:
        if (fault := language_fault(self)) is not None:
            raise contradiction(*fault)
        return self

    @model_validator(mode="after")
    def _attack_and_defence_can_happen(self) -> ExperimentSpec:
        for name, section in (("attack", self.attack), ("smashed_defence", self.smashed_defence)):
            if section is not None and (fault := section.fault(self)) is not None:
                raise contradiction(f"{name}.{fault[0]}", fault[1])
        return self

    @model_validator(mode="after")
    def _edge_fits(self) -> ExperimentSpec:
        if self.edge is not None and (fault := self.edge.fault(self)) is not None:
            raise contradiction(*fault)
        return self

    @model_validator(mode="after")
    def _privacy_can_be_had(self) -> ExperimentSpec:
        if self.privacy is not None and (fault := self.privacy.fault(self)) is not None:
            raise contradiction(f"privacy.{fault[0]}", fault[1])
        if self.stop is not None and self.stop.epsilon is not None and self.privacy is None:
            raise contradiction("stop.epsilon", "nothing counts an epsilon without noise: set privacy, or use null")
        return self

    @model_validator(mode="after")
    def _data_have_what_the_partition_needs(self) -> ExperimentSpec:
        if self.partition.kind == "natural" and not self.data.names_makers:
            raise contradiction(
                "partition.kind",
                f"natural needs data that say who made each sample, and data.kind={self.data.kind} here does not: "
                "use data.kind=parquet with data.client_column, image_folder with data.client_folders, or another partition",
            )
        if self.partition.kind == "feature" and self.partition.transform.needs_images and self.data.image_shape is None:
            raise contradiction(
                "partition.transform.kind",
                f"{self.partition.transform.kind} needs images, and data.kind={self.data.kind} has none: use noise",
            )
        return self

    def canonical(self) -> dict[str, Any]:
        """The spec as plain JSON values with every default filled in.

        A field that came after others (`exclude_if`) is left out at its default, so that older specs keep their hashes.
        """
        return self.model_dump(mode="json")

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

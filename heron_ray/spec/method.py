"""`method`: what a client and the main server do in a round. One section per training method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from heron_ray.spec.aggregation import MeanAggregation
from heron_ray.spec.optimizer import AdamOptimizer, OptimizerSpec, SgdOptimizer
from heron_ray.spec.plugins import REWARDS, find_plugin
from heron_ray.spec.section import Section, contradiction

if TYPE_CHECKING:
    from heron_ray.spec.experiment import ExperimentSpec

_UPLOAD_EVERY = Field(default=1, ge=1, le=1_000_000, description="Upload interval k: smashed data go up every k-th local step.")
_CLIENT_OPTIMIZER = Field(description="The client's optimizer, for front model and auxiliary head together.")
_FRONT_OPTIMIZER = Field(description="The client's optimizer, for the front model.")
_WHOLE_OPTIMIZER = Field(description="The client's optimizer, for the whole model.")
_SERVER_OPTIMIZER = Field(description="The main server's optimizer; its state lives as long as the run.")
_COPIES_OPTIMIZER = Field(
    description="The main server's optimizer; each client's copy of the back model begins its round with a fresh one."
)
Lifetime: TypeAlias = Annotated[
    Literal["round", "run"],
    Field(description="round: a client starts each round with fresh optimizer state. run: its state outlives its rounds."),
]


DirectionLaw: TypeAlias = Annotated[
    Literal["sphere", "gaussian", "rademacher"],
    Field(description="Law of a direction u: uniform on the unit sphere (estimate scaled by d), N(0, I), or random signs."),
]


ObjectiveKind: TypeAlias = Literal["cross_entropy", "zero_one", "macro_f1", "reward"]


class ZerothOrderSpec(Section):
    """How a gradient is estimated from forward passes (HERON-SFL, equation 2)."""

    mu: float = Field(default=1e-3, gt=0, le=10, description="Perturbation scale: the length of a probe's step.")
    probes: int = Field(default=1, ge=1, le=100_000, description="Probes q per local step.")
    direction: DirectionLaw = "sphere"
    difference: Literal["forward", "central"] = Field(
        default="forward", description="forward: q + 1 forward passes per step. central: 2q, with a smaller bias."
    )
    replay: bool = Field(
        default=True,
        description=(
            "true: directions are drawn again from their seeds, piece by piece, whenever they are needed, so that probing "
            "adds next to nothing to the memory of a forward pass. false: two more vectors are held and fewer draws "
            "made. Same bits either way."
        ),
    )


class _Method(Section):
    """What all methods have in common."""

    kind: str
    objective: ObjectiveKind = Field(
        default="cross_entropy",
        exclude_if=lambda value: value == "cross_entropy",
        description=(
            "What a client descends on its batch. cross_entropy: any client. zero_one (share of wrong predictions) and "
            "macro_f1 (1 - macro-F1) have no derivative: only for clients that evaluate a loss of their own and never "
            "differentiate it, with a larger mu. reward: minus the reward of an installed package. The main server descends "
            "cross-entropy either way."
        ),
    )
    reward: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        exclude_if=lambda value: value is None,
        description="With objective=reward: the plug-in that says what predictions are worth, as its package calls it.",
    )

    @model_validator(mode="after")
    def _reward_is_installed(self) -> Self:
        if self.reward is None:
            if self.objective == "reward":
                raise contradiction("method.reward", "objective=reward needs the name of an installed reward")
            return self
        if self.objective != "reward":
            message = f"it counts with objective=reward only, and method.objective is {self.objective}"
            raise contradiction("method.reward", message)
        try:
            find_plugin(REWARDS, self.reward)
        except LookupError as error:
            raise contradiction("method.reward", str(error.args[0])) from None
        return self

    takes_objectives: ClassVar[bool] = False
    """Whether clients evaluate a loss of their own and never differentiate it."""

    uploads_vectors: ClassVar[bool] = True
    """Whether clients upload parameters that a federation server joins."""

    probes_clients: ClassVar[bool] = False
    """Whether clients train by a zeroth-order estimate."""

    averages_auxiliary: ClassVar[bool] = False
    """Whether an auxiliary head is part of what clients upload and a federation server joins."""

    trains_auxiliary: ClassVar[bool] = False
    """Whether anybody trains an auxiliary head, so that its accuracy means something."""

    has_main_server: ClassVar[bool] = True
    """Whether smashed data go up to a main server."""

    smashed_per_upload: ClassVar[int] = 1
    """How many smashed data of a sample an upload holds."""

    sends_logits: ClassVar[bool] = False
    """Whether logits go up beside the smashed data."""

    shares_client_loss: ClassVar[bool] = True
    """Whether all clients descend one loss of the same global parameters."""

    knows_client_loss: ClassVar[bool] = True
    """Whether a client knows the loss that it trains by; elsewhere at most the main server does."""

    waits_for_server: ClassVar[bool] = False
    """Whether a client waits for the main server's answer to each upload."""

    def bound_to_rounds(self) -> str | None:
        """Why a client cannot work on while the next round begins; None where it can."""
        if self.waits_for_server:
            return "they wait for the main server's answers"
        return None if self.uploads_vectors else "they send no update that could come later"

    def sends_vectors(self) -> bool:
        """Whether an update attack has anything to act on."""
        return self.uploads_vectors

    def sends_scripts(self) -> bool:
        """Whether seeds and scalars go up in place of parameters."""
        return False

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """The field of the experiment that cannot be with this method, and why; None where all is well."""
        if not self.uploads_vectors and experiment.aggregation != MeanAggregation(kind="mean"):
            return "aggregation", (
                f"{self.kind}'s clients upload no parameters that a rule could join: use aggregation={{kind: mean}}"
            )
        return None


class HeronMethod(_Method):
    """HERON-SFL (2601.09076): zeroth-order clients, no gradient comes back from the main server."""

    probes_clients: ClassVar[bool] = True
    averages_auxiliary: ClassVar[bool] = True
    trains_auxiliary: ClassVar[bool] = True
    takes_objectives: ClassVar[bool] = True

    kind: Literal["heron"] = Field(description="HERON-SFL: clients train by forward passes alone.")
    upload_every: int = _UPLOAD_EVERY
    upload: Literal["vectors", "scalars"] = Field(
        default="vectors",
        description=(
            "What a client's round goes up as. vectors: its parameters. scalars: the seed and the scalar of every probe, from "
            "which the federation server replays the round, to the same bits."
        ),
    )
    zeroth_order: ZerothOrderSpec = Field(default=ZerothOrderSpec(), description="The gradient estimator.")
    client_optimizer: OptimizerSpec = _CLIENT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER

    def sends_vectors(self) -> bool:
        """Not where scalars go up in their place."""
        return self.upload == "vectors"

    def sends_scripts(self) -> bool:
        """Where they were asked for."""
        return self.upload == "scalars"

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """A round can only be replayed if it begins without a state that the federation server does not know."""
        del experiment
        if self.upload == "scalars" and self.client_optimizer_lifetime == "run" and keeps_state(self.client_optimizer):
            return "method.upload", (
                f"scalars cannot replay a round that continues from the {self.client_optimizer.kind} state of the client's "
                "earlier rounds: use client_optimizer_lifetime=round, sgd without momentum, or upload=vectors"
            )
        return None


class CseFslMethod(_Method):
    """CSE-FSL (2507.15816): HERON's first-order twin; clients backpropagate the auxiliary loss."""

    averages_auxiliary: ClassVar[bool] = True
    trains_auxiliary: ClassVar[bool] = True

    kind: Literal["cse_fsl"] = Field(description="CSE-FSL: clients backpropagate their auxiliary loss.")
    upload_every: int = _UPLOAD_EVERY
    client_optimizer: OptimizerSpec = _CLIENT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER


class AlignmentSpec(Section):
    """How the main server aligns a client's auxiliary head with itself (FSL-SAGE)."""

    every: int = Field(default=10, ge=1, le=1_000_000, description="Rounds between alignments.")
    samples: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description=(
            "Latest samples of smashed data that the main server keeps of every client it has met, in checkpoints too; they "
            "are also the batch of an alignment."
        ),
    )
    epochs: int = Field(default=100, ge=1, le=1_000_000, description="Optimizer steps per alignment.")
    optimizer: OptimizerSpec = Field(
        default=AdamOptimizer(kind="adam", lr=1e-3),
        description="The optimizer of the auxiliary head, fresh at every alignment.",
    )


class FslSageMethod(_Method):
    """FSL-SAGE (ICML 2025): clients backpropagate an auxiliary head that the main server aligns with its own gradients."""

    trains_auxiliary: ClassVar[bool] = True
    shares_client_loss: ClassVar[bool] = False

    kind: Literal["fsl_sage"] = Field(
        description="FSL-SAGE: the auxiliary head is trained by the main server to imitate its gradient."
    )
    upload_every: int = _UPLOAD_EVERY
    alignment: AlignmentSpec = Field(default=AlignmentSpec(), description="How auxiliary heads are aligned.")
    client_optimizer: OptimizerSpec = _FRONT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER

    def bound_to_rounds(self) -> str | None:
        """An aligned head would come down in the middle of a client's work."""
        return "the main server aligns their heads between rounds"


class LocalLossMethod(_Method):
    """Local-loss split learning (Han et al.): as CSE-FSL with an upload at every step and a server copy per client."""

    averages_auxiliary: ClassVar[bool] = True
    trains_auxiliary: ClassVar[bool] = True

    kind: Literal["local_loss"] = Field(
        description="Local-loss split learning (Han et al.): clients backpropagate an auxiliary loss; a server copy for each."
    )
    client_optimizer: OptimizerSpec = _CLIENT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _COPIES_OPTIMIZER


class SflV1Method(_Method):
    """SplitFed V1 (2004.12088): as V2, with a copy of the back model per client, averaged after the round."""

    knows_client_loss: ClassVar[bool] = False
    waits_for_server: ClassVar[bool] = True

    kind: Literal["sflv1"] = Field(description="SplitFed V1: the main server returns dL/dz from a copy of its own per client.")
    client_optimizer: OptimizerSpec = _FRONT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _COPIES_OPTIMIZER


class SflV2Method(_Method):
    """SplitFed V2 (2004.12088): clients backpropagate the gradient the main server returns, one client after another."""

    knows_client_loss: ClassVar[bool] = False
    waits_for_server: ClassVar[bool] = True

    kind: Literal["sflv2"] = Field(description="SplitFed V2: the main server returns dL/dz at every step.")
    client_optimizer: OptimizerSpec = _FRONT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER


class SplitLoraMethod(_Method):
    """SplitLoRA (2407.00952): SplitFed V2 on low-rank adapters; the weights they adapt stay as they are."""

    knows_client_loss: ClassVar[bool] = False
    waits_for_server: ClassVar[bool] = True

    kind: Literal["split_lora"] = Field(description="SplitLoRA: SplitFed V2 that trains and sends low-rank adapters only.")
    client_optimizer: OptimizerSpec = Field(description="The client's optimizer, for the front model's adapters.")
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """There must be adapters."""
        if experiment.model.lora is None:
            return "model.lora", "split_lora trains adapters, and the model has none: set model.lora={rank: 4, alpha: 32}"
        return None


class FrozenClientMethod(_Method):
    """The control: clients keep their initial weights; does training the client matter at all?"""

    knows_client_loss: ClassVar[bool] = False
    uploads_vectors: ClassVar[bool] = False
    shares_client_loss: ClassVar[bool] = False

    kind: Literal["frozen_client"] = Field(description="Control: clients are never trained, only the main server is.")
    upload_every: int = _UPLOAD_EVERY
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER


class HoSflMethod(_Method):
    """HO-SFL (2603.14773): the main server returns dL/dz, the client turns it into scalars by forward passes alone."""

    knows_client_loss: ClassVar[bool] = False
    waits_for_server: ClassVar[bool] = True
    uploads_vectors: ClassVar[bool] = False
    probes_clients: ClassVar[bool] = True

    kind: Literal["ho_sfl"] = Field(
        description="HO-SFL: zeroth-order clients that probe along the main server's dL/dz, with directions all clients share."
    )
    zeroth_order: ZerothOrderSpec = Field(default=ZerothOrderSpec(), description="The gradient estimator.")
    client_optimizer: OptimizerSpec = _FRONT_OPTIMIZER
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """All clients replay one history of joined scalars, which have no weights."""
        if experiment.clients.cohort < experiment.clients.count:
            return "clients.per_round", (
                "ho_sfl needs every client in every round, because all replay one history of scalars: use per_round=null"
            )
        if getattr(experiment.aggregation, "weights", "uniform") != "uniform":
            return "aggregation.weights", "ho_sfl's clients upload scalars, which have one vote each: use uniform"
        if (reason := experiment.aggregation.bound_to_federation_server()) is not None:
            return "aggregation.kind", f"{experiment.aggregation.kind} cannot join ho_sfl's scalars: {reason}"
        return None


class MuSplitFedMethod(_Method):
    """MU-SplitFed (2510.21155): zeroth order on both sides; the main server takes several steps per upload."""

    knows_client_loss: ClassVar[bool] = False
    waits_for_server: ClassVar[bool] = True
    probes_clients: ClassVar[bool] = True
    smashed_per_upload: ClassVar[int] = 3

    kind: Literal["mu_splitfed"] = Field(
        description="MU-SplitFed: zeroth order on both sides, several server steps per upload."
    )
    server_steps: int = Field(default=1, ge=1, le=100_000, description="Zeroth-order steps tau of the main server per upload.")
    mu: float = Field(default=1e-3, gt=0, le=10, description="Perturbation scale of the client's one probe per step.")
    direction: DirectionLaw = "sphere"
    server_zeroth_order: ZerothOrderSpec = Field(default=ZerothOrderSpec(), description="The main server's estimator.")
    client_optimizer: OptimizerSpec = _FRONT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER

    @property
    def zeroth_order(self) -> ZerothOrderSpec:
        """The client's estimator."""
        return ZerothOrderSpec(mu=self.mu, probes=1, direction=self.direction, difference="central")


class FedGktMethod(_Method):
    """FedGKT (2007.14513): client and main server teach each other by their logits; no model ever travels."""

    waits_for_server: ClassVar[bool] = True
    uploads_vectors: ClassVar[bool] = False
    trains_auxiliary: ClassVar[bool] = True
    shares_client_loss: ClassVar[bool] = False
    sends_logits: ClassVar[bool] = True

    kind: Literal["fedgkt"] = Field(
        description="FedGKT: features and logits go up, the main server's logits come down, each side distils the other."
    )
    temperature: float = Field(default=3.0, gt=0, le=1e3, description="Temperature of both sides' soft targets.")
    distillation: float = Field(default=1.0, ge=0, le=1e3, description="Weight of the distillation loss beside cross-entropy.")
    client_optimizer: OptimizerSpec = _CLIENT_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"
    server_optimizer: OptimizerSpec = _SERVER_OPTIMIZER


class FedAvgMethod(_Method):
    """FedAvg (1602.05629): every client trains the whole model; nothing is split."""

    has_main_server: ClassVar[bool] = False

    kind: Literal["fedavg"] = Field(
        description="FedAvg: clients backpropagate through the whole model; there is no main server."
    )
    client_optimizer: OptimizerSpec = _WHOLE_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"


class FedZoMethod(_Method):
    """FedZO (2201.09531): FedAvg by forward passes alone."""

    probes_clients: ClassVar[bool] = True
    has_main_server: ClassVar[bool] = False
    takes_objectives: ClassVar[bool] = True

    kind: Literal["fedzo"] = Field(
        description="FedZO: clients train the whole model by forward passes; there is no main server."
    )
    zeroth_order: ZerothOrderSpec = Field(default=ZerothOrderSpec(), description="The gradient estimator.")
    client_optimizer: OptimizerSpec = _WHOLE_OPTIMIZER
    client_optimizer_lifetime: Lifetime = "round"


MethodSpec: TypeAlias = Annotated[
    HeronMethod
    | CseFslMethod
    | FslSageMethod
    | LocalLossMethod
    | SflV1Method
    | SflV2Method
    | SplitLoraMethod
    | FrozenClientMethod
    | HoSflMethod
    | MuSplitFedMethod
    | FedGktMethod
    | FedAvgMethod
    | FedZoMethod,
    Field(discriminator="kind"),
]


def keeps_state(optimizer: OptimizerSpec) -> bool:
    """Whether an optimizer's next step depends on more than the gradient."""
    return not isinstance(optimizer, SgdOptimizer) or optimizer.momentum > 0

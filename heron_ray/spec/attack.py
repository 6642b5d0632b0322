"""`attack`: what Byzantine clients do, on which path, how many they are and when they begin.

A client of split federated learning speaks on more than one path, and each can be attacked by itself:

    data         the batches it trains on
    parameters   the update it uploads at the end of its round; `auxiliary` is that of the auxiliary head alone
    smashed      the smashed data and labels it sends the main server, while its training stays honest
    scalars      the scalars, or the seeds and scalars, that go up in place of an update

Where one formula fits several paths, the section has a `path`; where it fits one, `kind` says it all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section

if TYPE_CHECKING:
    from heron_ray.spec.experiment import ExperimentSpec

Path: TypeAlias = Literal["data", "parameters", "auxiliary", "smashed", "scalars"]

_OPTIMAL = Field(
    default=False, description="true: each round tau is searched for what moves the configured rule's result most."
)
Deviation: TypeAlias = Annotated[
    Literal["std", "unit", "sign"],
    Field(
        description=(
            "Direction p in which the honest mean m is moved: std, minus the standard deviation of each coordinate; unit, "
            "-m / ||m||; sign, -sign(m)."
        )
    ),
]


class _Attack(Section):
    """What all attacks have in common."""

    acts_on: ClassVar[Path] = "parameters"
    """The path of a kind that has no field for it."""

    colludes: ClassVar[bool] = False
    """Whether the attackers' updates are made from all updates of their round."""

    byzantine: int | None = Field(
        default=None,
        ge=0,
        le=10_000_000,
        exclude_if=lambda value: value is None,
        description="Byzantine clients of the population, drawn once per run. 0: nobody attacks. This or share.",
    )
    share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        exclude_if=lambda value: value is None,
        description="Byzantine clients as a share of the population, to the nearest whole number. This or byzantine.",
    )
    start_round: int = Field(
        default=1, ge=1, le=100_000_000, description="First round with the attack; before it Byzantine clients are honest."
    )

    def count(self, clients: int) -> int:
        """How many of so many clients are Byzantine."""
        return round(self.share * clients) if self.share is not None else self.byzantine or 0

    def paths(self) -> tuple[Path, ...]:
        """Where the attack acts."""
        return (getattr(self, "path", self.acts_on),)

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """The field of this section that does not fit the experiment, and why; None where all do."""
        return (
            self._number_fault(experiment.clients.count)
            or self._start_fault(experiment.rounds)
            or next((fault for path in self.paths() if (fault := self._path_fault(path, experiment)) is not None), None)
        )

    def _number_fault(self, clients: int) -> tuple[str, str] | None:
        if self.byzantine is None and self.share is None:
            return "byzantine", "Field required: how many clients are Byzantine, or share, which share of them"
        if self.byzantine is not None and self.share is not None:
            return "share", "byzantine says already how many clients are Byzantine: leave one of the two out"
        if self.count(clients) > clients:
            return "byzantine", f"{self.byzantine} clients cannot be Byzantine of clients.count={clients}"
        return None

    def _start_fault(self, rounds: int) -> tuple[str, str] | None:
        if self.start_round <= rounds:
            return None
        return "start_round", f"{self.start_round} lies beyond the last round, rounds={rounds}"

    def _path_fault(self, path: Path, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """Whether the method's clients send anything on that path."""
        method, kind = experiment.method, self._name()
        field = "path" if "path" in type(self).model_fields and path != "parameters" else "kind"
        if path in ("parameters", "auxiliary") and not method.sends_vectors():
            return "kind", (
                f"{kind} acts on the parameters that clients upload, and {method.kind}'s clients upload none here: "
                "use attack=null, or attack another path, as label_flip does"
            )
        if path == "auxiliary" and not method.averages_auxiliary:
            return (
                field,
                f"{method.kind}'s clients upload no auxiliary head: use path=parameters, or heron, cse_fsl, local_loss",
            )
        if path == "smashed" and not method.has_main_server:
            return (
                field,
                f"{kind} acts on smashed data, and {method.kind} has none: attack another path",
            )
        return None

    def _name(self) -> str:
        return str(getattr(self, "kind", "the attack"))


_PARTS = "parameters: the whole update. auxiliary: its coordinates of the auxiliary head alone, the others stay honest."


class _OnUpdate(_Attack):
    """An attack on the update that a client uploads at the end of its round."""

    path: Literal["parameters", "auxiliary"] = Field(
        default="parameters", exclude_if=lambda path: path == "parameters", description=_PARTS
    )


class _OnUpdateOrSmashed(_Attack):
    """An attack whose formula fits smashed data as well."""

    path: Literal["parameters", "auxiliary", "smashed"] = Field(
        default="parameters",
        exclude_if=lambda path: path == "parameters",
        description=f"{_PARTS} smashed: the smashed data that go up, while training stays honest.",
    )


class SignFlipAttack(_OnUpdateOrSmashed):
    """A Byzantine client uploads its own update, or its smashed data, reversed: -scale * u."""

    kind: Literal["sign_flip"] = Field(description="Byzantine clients upload -scale times their update, or their smashed data.")
    scale: float = Field(default=1.0, gt=0, le=1e6, description="Factor by which what is reversed is stretched.")


class GaussianAttack(_OnUpdateOrSmashed):
    """A Byzantine client uploads noise instead of its update, or adds it to its smashed data: sigma * e with e ~ N(0, I)."""

    kind: Literal["gaussian"] = Field(
        description="Byzantine clients upload noise from N(0, sigma^2 I) as their update, or add it to their smashed data."
    )
    sigma: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="Standard deviation of each coordinate, in units of what is attacked.",
    )


class LabelFlipAttack(_Attack):
    """A Byzantine client replaces its labels y by C - 1 - y, in all it does or only in what it sends the main server."""

    kind: Literal["label_flip"] = Field(
        description="Byzantine clients replace their labels y by C - 1 - y, in training and in what they send the main server."
    )
    path: Literal["data", "smashed"] = Field(
        default="data",
        exclude_if=lambda path: path == "data",
        description="data: the client trains on false labels and sends them to the main server. smashed: it only sends them.",
    )


class BackdoorAttack(_Attack):
    """A Byzantine client stamps a trigger on some of its samples and calls them `target`, to teach the model that answer."""

    acts_on: ClassVar[Path] = "data"

    kind: Literal["backdoor"] = Field(
        description="Byzantine clients teach a trigger: stamped samples belong to class `target` (Gu et al., arXiv 1708.06733)."
    )
    target: int = Field(default=0, ge=0, le=1_000_000, description="The class that the trigger is to stand for.")
    poisoned: float = Field(default=0.5, gt=0, le=1, description="Share of each batch that is stamped, rounded up.")
    patch: int = Field(
        default=2,
        ge=1,
        le=100_000,
        description="Size of the trigger: pixels along a side, in the lower right corner; of vectors, their last features.",
    )
    value: float = Field(
        default=1.0,
        ge=-1e6,
        le=1e6,
        description="What the trigger is set to, in units of the model's input.",
    )
    scale: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="Factor on the update too, as in model_replacement. 1: it stays as it is.",
    )

    def paths(self) -> tuple[Path, ...]:
        """The data, and the update where it is stretched."""
        return ("data",) if self.scale == 1.0 else ("data", "parameters")

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """The class must exist, and the trigger must fit on a sample."""
        shape, classes = experiment.data.input_shape, experiment.data.classes
        if self.target >= classes:
            return "target", f"there is no class {self.target} among data.classes={classes}: use 0 to {classes - 1}"
        side = min(shape[-2:]) if len(shape) > 1 else shape[0]
        if self.patch > side:
            return "patch", f"a trigger of {self.patch} does not fit on samples of shape {list(shape)}: use at most {side}"
        return super().fault(experiment)


class ZeroAttack(_OnUpdate):
    """A Byzantine client uploads a zero update."""

    kind: Literal["zero"] = Field(description="Byzantine clients upload a zero update.")


class RandomAttack(_OnUpdate):
    """A Byzantine client uploads a vector in a random direction, as long as honest updates are on average."""

    colludes: ClassVar[bool] = True

    kind: Literal["random"] = Field(description="Byzantine clients upload a random vector of honest length.")
    scale: float = Field(default=1.0, gt=0, le=1e6, description="Factor on that length.")


class NonFiniteAttack(_OnUpdateOrSmashed):
    """A Byzantine client uploads infinity or not-a-number everywhere."""

    kind: Literal["non_finite"] = Field(description="Byzantine clients upload infinity, or not-a-number, in every coordinate.")
    value: Literal["inf", "nan"] = Field(default="inf", description="What every coordinate is.")


class IpmAttack(_OnUpdate):
    """Inner-product manipulation: all Byzantine clients upload -tau times the honest mean."""

    colludes: ClassVar[bool] = True

    kind: Literal["ipm"] = Field(description="Byzantine clients upload -tau times the honest mean (arXiv 1903.03936).")
    tau: float = Field(default=2.0, gt=0, le=1e6, description="Factor tau; not used with optimal.")
    optimal: bool = _OPTIMAL


class AlieAttack(_OnUpdateOrSmashed):
    """A little is enough: all Byzantine clients upload the honest mean plus tau standard deviations, or such smashed data."""

    colludes: ClassVar[bool] = True

    kind: Literal["alie"] = Field(
        description="Byzantine clients upload mean + tau * std of the honest (Baruch et al., arXiv 1902.06156)."
    )
    tau: float | None = Field(
        default=1.5,
        ge=-1e6,
        le=1e6,
        description="Standard deviations tau. null: z_max, from n and f; not on smashed data.",
    )
    optimal: bool = _OPTIMAL

    def fault(self, experiment: ExperimentSpec) -> tuple[str, str] | None:
        """On smashed data tau must be given: there is no rule to ask, and no cohort to count."""
        if self.path == "smashed" and self.optimal:
            return "optimal", "tau is searched by asking the aggregation rule, which joins no smashed data: use false"
        if self.path == "smashed" and self.tau is None:
            return "tau", "z_max counts the updates of a cohort, not smashed data: give a number"
        return super().fault(experiment)


class MimicAttack(_OnUpdate):
    """All Byzantine clients upload what one honest client uploads, so that the others count for less."""

    colludes: ClassVar[bool] = True

    kind: Literal["mimic"] = Field(
        description="Byzantine clients upload the update of one honest client (Karimireddy et al., arXiv 2006.09365)."
    )
    client: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="Whose: its place among the round's honest clients, counted round.",
    )


class MinMaxAttack(_OnUpdate):
    """The honest mean moved as far as no distance to an honest update exceeds the largest between two of these."""

    colludes: ClassVar[bool] = True

    kind: Literal["min_max"] = Field(
        description="Byzantine clients upload mean + gamma * p, gamma as large as the honest updates' spread hides "
        "(Shejwalkar and Houmansadr, NDSS 2021)."
    )
    deviation: Deviation = "std"


class MinSumAttack(_OnUpdate):
    """As min_max, with the sum of squared distances to the honest updates in place of the largest distance."""

    colludes: ClassVar[bool] = True

    kind: Literal["min_sum"] = Field(
        description="Byzantine clients upload mean + gamma * p, hidden by the sum of squared distances "
        "(Shejwalkar and Houmansadr, NDSS 2021)."
    )
    deviation: Deviation = "std"


class FangKrumAttack(_OnUpdate):
    """All Byzantine clients upload the same step against the honest direction, as long as Krum still chooses it."""

    colludes: ClassVar[bool] = True

    kind: Literal["fang_krum"] = Field(
        description="Byzantine clients upload -lambda * sign(mean), as large as Krum falls for (arXiv 1911.11815)."
    )


class FangTrimmedMeanAttack(_OnUpdate):
    """Byzantine clients upload values just outside the honest ones, on the side against the honest direction."""

    colludes: ClassVar[bool] = True

    kind: Literal["fang_trimmed_mean"] = Field(
        description="Byzantine clients upload values beyond the honest ones, on the wrong side (arXiv 1911.11815)."
    )
    b: float = Field(default=2.0, gt=1, le=1e6, description="How far beyond: to b times, or 1/b of, the outermost value.")


class ModelReplacementAttack(_OnUpdate):
    """A Byzantine client stretches its update so that the mean becomes its own model."""

    colludes: ClassVar[bool] = True

    kind: Literal["model_replacement"] = Field(
        description="Byzantine clients upload scale times their update (Bagdasaryan et al., arXiv 1807.00459)."
    )
    scale: float | None = Field(default=None, gt=0, le=1e6, description="Factor. null: the size of the cohort.")


class FreeRiderAttack(_OnUpdate):
    """A Byzantine client contributes nothing: it uploads the change of the global model that it saw, with noise on it."""

    colludes: ClassVar[bool] = True

    kind: Literal["free_rider"] = Field(
        description="Byzantine clients upload the last joined update again, with noise (Lin et al., arXiv 1911.12560)."
    )
    sigma: float = Field(default=0.0, ge=0, le=1e6, description="Standard deviation of the noise, in parameter units.")


class NormInflationAttack(_Attack):
    """A Byzantine client stretches the smashed data that it sends; its training stays honest."""

    acts_on: ClassVar[Path] = "smashed"

    kind: Literal["norm_inflation"] = Field(description="Byzantine clients send up scale times their smashed data.")
    scale: float = Field(default=10.0, gt=0, le=1e6, description="Factor on smashed data.")


class ForgedScalarAttack(_Attack):
    """A Byzantine client multiplies the scalars that it uploads; the directions they belong to stay true."""

    acts_on: ClassVar[Path] = "scalars"

    kind: Literal["forged_scalar"] = Field(description="Byzantine clients upload factor times each probe's scalar.")
    factor: float = Field(default=-1.0, ge=-1e6, le=1e6, description="Factor. Below 0: the sign is forged as well.")

    def _path_fault(self, path: Path, experiment: ExperimentSpec) -> tuple[str, str] | None:
        method = experiment.method
        if method.sends_scripts() or method.kind == "ho_sfl":
            return None
        return "kind", (
            f"{self.kind} acts on scalars, and {method.kind}'s clients upload none here: use heron with upload=scalars, ho_sfl"
        )


class ForgedSeedAttack(_Attack):
    """A Byzantine client uploads its scalars with seeds that they do not belong to, or one step's pairs again and again."""

    acts_on: ClassVar[Path] = "scalars"

    kind: Literal["forged_seed"] = Field(description="Byzantine clients upload wrong seeds, or replay their first step.")
    seeds: Literal["wrong", "replayed"] = Field(
        default="wrong",
        description="wrong: true scalars with seeds drawn anew. replayed: every step is the first one's pairs again.",
    )

    def _path_fault(self, path: Path, experiment: ExperimentSpec) -> tuple[str, str] | None:
        method = experiment.method
        if method.sends_scripts():
            return None
        return "kind", f"{self.kind} acts on seeds, and {method.kind}'s clients upload none here: use heron with upload=scalars"


AttackSpec: TypeAlias = Annotated[
    SignFlipAttack
    | GaussianAttack
    | LabelFlipAttack
    | BackdoorAttack
    | ZeroAttack
    | RandomAttack
    | NonFiniteAttack
    | IpmAttack
    | AlieAttack
    | MimicAttack
    | MinMaxAttack
    | MinSumAttack
    | FangKrumAttack
    | FangTrimmedMeanAttack
    | ModelReplacementAttack
    | FreeRiderAttack
    | NormInflationAttack
    | ForgedScalarAttack
    | ForgedSeedAttack,
    Field(discriminator="kind"),
]

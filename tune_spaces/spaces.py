"""The named spaces. Each range carries its reason.

h = local steps, q = probes per step, k = upload interval, mu = perturbation scale, alpha = Dirichlet concentration.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from heron_ray.spec.space import ChoiceAxis, IntegerAxis, LogUniformAxis, SearchSpace

_MU = LogUniformAxis(
    kind="loguniform",
    low=1e-5,
    high=1e-1,
    reason=(
        "The bias of the estimate grows with mu, its rounding error with 1/mu: a loss near 1 in float32 resolves about "
        "1e-7, so below 1e-5 the difference of two losses is mostly noise, and above 1e-1 a probe leaves the region "
        "where the loss is close to linear."
    ),
)
_PROBES = IntegerAxis(
    kind="integer",
    low=1,
    high=32,
    log=True,
    reason=(
        "The variance of the estimate falls as 1/q and the client's cost grows as q + 1 forward passes: doublings are "
        "what matters, and beyond 32 a first-order step is cheaper on every model here."
    ),
)
_AUXILIARY = IntegerAxis(
    kind="integer",
    low=0,
    high=5,
    reason=(
        "0 is the paper's single layer; from 1 on a hidden layer lies before it, twice as wide with every step. A larger "
        "head describes the smashed data better, and gives the zeroth-order estimate more dimensions, so more variance."
    ),
)
_DIRICHLET = LogUniformAxis(
    kind="loguniform",
    low=0.1,
    high=100.0,
    reason="0.1 gives a client one or two classes, 100 nearly the distribution of all; less leaves clients without samples.",
)
_LOCAL_STEPS = IntegerAxis(
    kind="integer",
    low=1,
    high=32,
    log=True,
    reason="1 is synchronous training; from about 32 on clients drift apart between two averages on skewed data.",
)
_UPLOAD_EVERY = IntegerAxis(
    kind="integer",
    low=1,
    high=16,
    log=True,
    reason=(
        "1 sends every step's smashed data; each doubling halves the traffic and the main server's steps. At k = h and "
        "beyond, one batch a round goes up."
    ),
)
_CUT_WIDTH = ChoiceAxis(
    kind="choice",
    values=([32, 4], [32, 8], [32, 16], [32, 32], [32, 64]),
    reason=(
        "Numbers per sample that go up, by doublings: traffic grows with them, and below about 4 ten classes cannot be told "
        "apart. The layer before the cut stays as it is, so that only the cut layer differs."
    ),
)
_OPTIMIZER = ChoiceAxis(
    kind="choice",
    values=("sgd", "adam"),
    reason="Adam divides by the estimate's own spread, which a zeroth-order estimate has more of; it holds two vectors more.",
)
_CLIENT_LR = LogUniformAxis(
    kind="loguniform",
    low=1e-4,
    high=1e-1,
    reason="Adam's steps have the length of the rate, so it wants about a tenth of what SGD does; both lie well inside.",
)
_MOMENTUM = ChoiceAxis(
    kind="choice",
    values=(0.0, 0.9),
    when={"method.client_optimizer.kind": ("sgd",)},
    reason="0.9 averages about ten noisy estimates and holds one vector more. Adam has a mean of its own.",
)
_BYZANTINE = IntegerAxis(
    kind="integer",
    low=0,
    high=3,
    reason="Of ten clients: none, and up to the three that Krum still tolerates in such a cohort (2 f + 2 < n).",
)
_ATTACK = ChoiceAxis(
    kind="choice",
    values=("sign_flip", "gaussian", "label_flip"),
    reason="A reversed update, noise in its place, wrong labels: what a rule sees as an outlier less and less.",
)
_RULE = ChoiceAxis(
    kind="choice",
    values=("mean", "median", "trimmed_mean", "krum"),
    reason="No defence, by coordinate, by coordinate without its ends, and by distances between whole updates.",
)
_TOLERATED = ChoiceAxis(
    kind="choice",
    values=(3,),
    when={"aggregation.kind": ("trimmed_mean", "krum")},
    reason="As many Byzantine clients as there are at most: a rule told of fewer lets the rest in.",
)

_ALL = (
    SearchSpace(
        name="mu",
        description="The perturbation scale of the zeroth-order estimate.",
        axes={"method.zeroth_order.mu": _MU},
    ),
    SearchSpace(
        name="probes",
        description="The probes q per local step: accuracy against the client's forward passes.",
        axes={"method.zeroth_order.probes": _PROBES},
    ),
    SearchSpace(
        name="auxiliary",
        description="The size of the client's auxiliary head, from one layer up.",
        given={"model.auxiliary.kind": "sized"},
        axes={"model.auxiliary.size": _AUXILIARY},
    ),
    SearchSpace(
        name="dirichlet",
        description="How skewed the clients' labels are.",
        given={"partition.kind": "dirichlet"},
        axes={"partition.alpha": _DIRICHLET},
    ),
    SearchSpace(
        name="local_steps",
        description="The local steps h between two averages.",
        axes={"clients.local_steps": _LOCAL_STEPS},
    ),
    SearchSpace(
        name="upload_every",
        description="The upload interval k: traffic against the main server's training.",
        axes={"method.upload_every": _UPLOAD_EVERY},
    ),
    SearchSpace(
        name="cut_width",
        description="The width of the cut layer of an mlp: what a sample's smashed data hold.",
        axes={"model.front": _CUT_WIDTH},
    ),
    SearchSpace(
        name="optimizer",
        description="The client's optimizer, its rate, and its momentum where it has one.",
        axes={
            "method.client_optimizer.kind": _OPTIMIZER,
            "method.client_optimizer.lr": _CLIENT_LR,
            "method.client_optimizer.momentum": _MOMENTUM,
        },
    ),
    SearchSpace(
        name="byzantine",
        description="How many clients attack, in which way, and the rule that joins the updates.",
        axes={
            "attack.kind": _ATTACK,
            "attack.byzantine": _BYZANTINE,
            "aggregation.kind": _RULE,
            "aggregation.f": _TOLERATED,
        },
    ),
    SearchSpace(
        name="joint",
        description="All six together: which of them matters beside the others.",
        given={"model.auxiliary.kind": "sized", "partition.kind": "dirichlet"},
        axes={
            "method.zeroth_order.mu": _MU,
            "method.zeroth_order.probes": _PROBES,
            "model.auxiliary.size": _AUXILIARY,
            "partition.alpha": _DIRICHLET,
            "clients.local_steps": _LOCAL_STEPS,
            "method.upload_every": _UPLOAD_EVERY,
        },
    ),
)

SPACES: Mapping[str, SearchSpace] = MappingProxyType({space.name: space for space in _ALL})
"""The named spaces, by name."""

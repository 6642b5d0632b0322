"""What tests of rules and pre-aggregators share: cohorts, and joining them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import TypeAdapter

from heron_ray.federation import make_rule
from heron_ray.seeds import generator
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.vectors import Float32Array

N = 7
FAR = np.float32(1e6)
VALUES = st.floats(-100, 100, width=32, allow_subnormal=False)
COHORTS = hnp.arrays(np.float32, st.tuples(st.just(N), st.integers(1, 6)), elements=VALUES)
LIES = [FAR, -FAR, np.float32(3e38), np.inf, -np.inf, np.nan]

# f = 2 of 7 where a rule has an f, but for those whose bound asks for more clients.
SECTIONS: list[dict[str, Any]] = [
    {"kind": "mean"},
    {"kind": "median"},
    {"kind": "trimmed_mean", "f": 2},
    {"kind": "krum", "f": 2},
    {"kind": "krum", "f": 2, "m": 3},
    {"kind": "bulyan", "f": 1},
    {"kind": "caf", "f": 2},
    {"kind": "centered_clipping", "tau": 10.0},
    {"kind": "clipped_clustering"},
    {"kind": "dnc", "f": 2},
    {"kind": "fltrust"},
    {"kind": "fools_gold"},
    {"kind": "geometric_median"},
    {"kind": "mda", "f": 2},
    {"kind": "meamed", "f": 2},
    {"kind": "monna", "f": 2},
    {"kind": "norm_bounding", "max_norm": 1e4},
    {"kind": "sign_guard"},
    {"kind": "smea", "f": 2},
]
BEFORE: list[dict[str, Any]] = [
    {"kind": "nnm", "f": 2},
    {"kind": "bucketing", "s": 2},
    {"kind": "static_clipping", "c": 1e4},
    {"kind": "arc", "f": 2},
]


def section(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, **fields}


def parse(section: dict[str, Any]) -> AggregationSpec:
    return TypeAdapter(AggregationSpec).validate_python({**section, "before": tuple(section.get("before", ()))})


def join(
    section: dict[str, Any],
    updates: Float32Array,
    samples: list[int] | None = None,
    *,
    seed: int = 0,
    clients: list[int] | None = None,
) -> Float32Array:
    """What a fresh rule makes of updates [n, P] of the clients 0, 1, ...; the server's own is (1, 1, ...)."""
    rule = make_rule(parse(section))
    rule.trust(np.ones(updates.shape[1], dtype=np.float32))
    for number, update in enumerate(updates):
        rule.add(update, 1 if samples is None else samples[number], number if clients is None else clients[number])
    return rule.result(generator(seed))


@st.composite
def cohorts_on_a_line(draw: st.DrawFn) -> Float32Array:
    """Updates [N, P] whose distances all differ clearly, in any order."""
    line = np.cumsum(2.0 ** np.arange(N)).astype(np.float32)
    direction = draw(hnp.arrays(np.float32, st.integers(1, 6), elements=st.sampled_from([-1.0, 0.5, 1.0])))
    order = draw(st.permutations(range(N)))
    return line[order][:, None] * direction


def bundle(seed: int, *, n: int = N, length: int = 40, f: int = 0, away: float = 50.0) -> Float32Array:
    """n vectors around a common one, the last f of them far away in a common direction."""
    draw = generator(seed)
    updates = draw.standard_normal((n, length)) + 5 * draw.standard_normal(length)
    updates[n - f :] += away * draw.standard_normal(length)
    return updates.astype(np.float32)

"""Attacked runs have the local executor's bits on Ray too."""

import pytest

from heron_ray.actors.executor import RayExecutor
from heron_ray.simulation import LocalExecutor, Simulation
from tests.conftest import MakeSpec

CASES = {
    "gaussian": ["attack={kind: gaussian, byzantine: 2, start_round: 2}", "aggregation={kind: trimmed_mean, f: 1}"],
    "label_flip": ["attack={kind: label_flip, byzantine: 2, start_round: 2}", "aggregation={kind: median}"],
    "sign_flip": ["attack={kind: sign_flip, byzantine: 2, start_round: 2}", "aggregation={kind: krum, f: 1, m: 2}"],
    "measured by the server's own update": [
        "method.kind=cse_fsl",
        "attack={kind: ipm, byzantine: 2}",
        "aggregation={kind: fltrust, samples: 50}",
    ],
    "colluding on updates, uploads filtered": [
        "attack={kind: free_rider, byzantine: 2, sigma: 0.1}",
        "smashed_defence={kind: norm_filter, deviations: 1, warmup: 5, window: 20}",
    ],
    "on smashed data, server updates pooled": [
        "attack={kind: gaussian, byzantine: 2, path: smashed}",
        "smashed_defence={kind: pooled_updates, rule: {kind: median}}",
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_attacked_digests_are_equal_on_every_executor(make_spec: MakeSpec, executor: RayExecutor, case: str) -> None:
    spec = make_spec(*CASES[case], "clients.per_round=5", "compute.actors=2")
    with LocalExecutor() as local:
        expected = Simulation(spec, local).run().trajectory_digest
    assert Simulation(spec, executor).run().trajectory_digest == expected

"""One run with everything on has the local executor's figures on Ray too: digest, diagnoses, virtual time, late updates."""

from __future__ import annotations

from pathlib import Path

from heron_ray.actors.executor import RayExecutor
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import ClientLosses, Diagnosis, HessianSpectrum
from tests.conftest import MakeSpec

DEVICES = "[{profile: phone}, {profile: phone, flops_per_s: 1.0e+6}, {profile: sensor, memory_bytes: 100, share: 0.3}]"
EVERYTHING = (
    f"edge={{population: {{kind: mixture, devices: {DEVICES}, links: [{{profile: lte}}, {{profile: bluetooth_le}}]}}}}",
    *("edge.buffer={size: 5}", "edge.dropout=0.1", "edge.availability={kind: diurnal, share: 0.9}"),
    *("clients.count=16", "clients.per_round=9", "rounds=24", "evaluation.every=5", "compute.checkpoint_every=5"),
    *("method.zeroth_order={mu: 1.0e-7, probes: 2}", "method.client_optimizer.lr=1e-6", "evaluation.estimator_quality=true"),
    *("evaluation.client_losses=2", "evaluation.spectrum={every: 10, samples: 16, probes: 2, lanczos_steps: 3}"),
    *("attack={kind: zero, byzantine: 2}", "smashed_defence={kind: norm_filter, deviations: 1, warmup: 5, window: 20}"),
    "aggregation={kind: median, before: [{kind: static_clipping, c: 2.0}]}",
)


def test_a_run_with_everything_on_is_the_same_on_every_executor_and_after_a_change_of_executor(
    make_spec: MakeSpec, executor: RayExecutor, tmp_path: Path
) -> None:
    spec = make_spec(*EVERYTHING, "compute.actors=2")
    with LocalExecutor() as local:
        here_sink, there_sink = ListSink(), ListSink()
        here = Simulation(spec, local, sink=here_sink).run()
        there = Simulation(spec, executor, sink=there_sink).run()
        asked = iter([*[False] * 7, True])
        checkpointer = Checkpointer(tmp_path)
        Simulation(spec, executor, checkpointer=checkpointer, should_stop=lambda: next(asked)).run()
        changed = Simulation(spec, local, checkpointer=checkpointer, resume=True).run()
    names = {one["name"] for one in here.diagnoses}
    assert {"vanishing_probes", "no_better_than_frozen"} <= names
    for other in (there, changed):
        assert other.trajectory_digest == here.trajectory_digest
        assert other.diagnoses == here.diagnoses
        assert other.edge == here.edge
    for kind in (Diagnosis, ClientLosses, HessianSpectrum):
        told = [[event for event in sink.events if isinstance(event, kind)] for sink in (here_sink, there_sink)]
        assert told[0] == told[1] != []

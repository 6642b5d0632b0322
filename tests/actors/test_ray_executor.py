"""The Ray executor gives the local executor's bits, whatever the number of actors, and says so when an actor is lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from heron_ray.actors import executor_for
from heron_ray.actors.executor import RayExecutor
from heron_ray.errors import DivergedError, LostActorError
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import Checkpointer, LocalExecutor, Simulation
from heron_ray.simulation.events import Event, RoundFinished
from heron_ray.simulation.fork import fork
from tests.conftest import MakeSpec, local_digest, method_overrides

OVERRIDES = {
    "heron": ["clients.per_round=5", "method.upload=scalars"],
    "fsl_sage": ["clients.per_round=4"],
    "fedgkt": ["clients.per_round=4", "method.client_optimizer={kind: adam, lr: 0.01}"],
    "cse_fsl": ["method.client_optimizer={kind: adam, lr: 0.01}", "method.client_optimizer_lifetime=run"],
    "sflv2": ["clients.per_round=3"],
    "frozen_client": ["method.upload_every=2"],
}


@pytest.mark.parametrize(
    ("kind", "actors"),
    [*((kind, count) for count in (1, 4) for kind in ("heron", "ho_sfl")), *((kind, 2) for kind in sorted(METHODS))],
)
def test_digests_are_equal_on_every_executor(make_spec: MakeSpec, executor: RayExecutor, kind: str, actors: int) -> None:
    spec = make_spec(*method_overrides(kind), *OVERRIDES.get(kind, []), f"compute.actors={actors}")
    result = Simulation(spec, executor).run()
    assert result.trajectory_digest == local_digest(spec)
    assert result.serialized_bytes is not None
    assert result.serialized_bytes["up"] >= result.costs.bytes_up


@pytest.mark.parametrize(
    "overrides",
    [
        ["method.objective=macro_f1", "method.zeroth_order.mu=1.0", "evaluation.macro_f1=true"],
        ["method.kind=fedzo", "method.objective=zero_one", "method.zeroth_order.mu=1.0"],
        ["evaluation.spectrum={every: 2, samples: 32, probes: 2, lanczos_steps: 4}"],
    ],
    ids=" ".join,
)
def test_metrics_and_curvature_have_the_same_digest_on_every_executor(
    make_spec: MakeSpec, executor: RayExecutor, overrides: list[str]
) -> None:
    spec = make_spec(*overrides)
    assert Simulation(spec, executor).run().trajectory_digest == local_digest(spec)


@pytest.mark.parametrize(
    "overrides",
    [
        ["privacy.updates={clip: 0.1, sigma: 0.5}", "attack={kind: gaussian, byzantine: 2, path: smashed}"],
        ["method.kind=sflv2", "privacy.updates={clip: 0.1, sigma: 0.5, noise: central}"],
        method_overrides("mu_splitfed"),
    ],
    ids=" ".join,
)
def test_noised_messages_and_their_leakage_have_the_same_digest_on_every_executor(
    make_spec: MakeSpec, executor: RayExecutor, overrides: list[str]
) -> None:
    privacy = ["privacy.smashed={clip: 2.0, sigma: 0.3}", "evaluation.leakage={every: 2}", "clients.per_round=5"]
    spec = make_spec(*overrides, *privacy, "compute.actors=2")
    result = Simulation(spec, executor).run()
    assert result.trajectory_digest == local_digest(spec)
    assert result.privacy is not None


def test_clients_cut_short_by_the_simulated_edge_give_the_same_bits(make_spec: MakeSpec, executor: RayExecutor) -> None:
    devices, links = "[{profile: phone}, {profile: sensor}]", "[{profile: lte}, {profile: bluetooth_le}]"
    edge = f"edge={{population: {{kind: mixture, devices: {devices}, links: {links}}}, dropout: 0.3, oversample: 1}}"
    spec = make_spec(
        edge, "edge.availability={kind: diurnal, share: 0.8}", "clients.count=9", "clients.per_round=5", "rounds=5"
    )
    assert Simulation(spec, executor).run().trajectory_digest == local_digest(spec)


def test_a_fork_has_the_same_digest_on_every_executor(make_spec: MakeSpec, executor: RayExecutor, tmp_path: Path) -> None:
    parent, child = make_spec(), make_spec("rounds=7", "method.zeroth_order.mu=0.01", "attack={kind: sign_flip, byzantine: 1}")
    checkpointer = Checkpointer(tmp_path)
    Simulation(parent, executor, checkpointer=checkpointer).run()
    start = fork(checkpointer.load(checkpointer.paths()[0]), parent, child)
    with LocalExecutor() as local:
        digests = [Simulation(child, where, start_from=start).run().trajectory_digest for where in (executor, local, executor)]
    assert len(set(digests)) == 1


@pytest.mark.parametrize("kind", ["heron", "ho_sfl", "fedgkt"])
def test_uploads_cut_into_many_messages_give_the_same_bits(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    spec = make_spec(*method_overrides(kind))
    whole = local_digest(spec)
    monkeypatch.setattr("heron_ray.simulation.roles.client_host.CHUNK_BYTES", 1)
    assert local_digest(spec) == whole


@pytest.mark.soak  # tests/models/test_compiled.py has it for one process
def test_compiled_clients_have_the_same_bits_in_every_process(make_spec: MakeSpec, executor: RayExecutor) -> None:
    spec = make_spec("rounds=2", "partition={kind: iid}", "compute.compile=true")
    compiled = local_digest(spec)
    assert compiled == Simulation(spec, executor).run().trajectory_digest
    assert compiled != local_digest(make_spec("rounds=2", "partition={kind: iid}"))


def test_what_is_serialized_is_what_the_ledger_counts_and_a_little_more(make_spec: MakeSpec, executor: RayExecutor) -> None:
    result = Simulation(make_spec("method.kind=cse_fsl", "clients.batch_size=64"), executor).run()
    assert result.serialized_bytes is not None
    assert 1 < result.serialized_bytes["up"] / result.costs.bytes_up < 1.1
    broadcasts = result.costs.bytes_down / 6  # one for all six clients
    assert 1 < result.serialized_bytes["down"] / broadcasts < 1.1
    with LocalExecutor() as local:
        assert Simulation(make_spec("rounds=1"), local).run().serialized_bytes is None


def test_a_run_stopped_on_one_executor_goes_on_on_the_other(make_spec: MakeSpec, executor: RayExecutor, tmp_path: Path) -> None:
    spec = make_spec("rounds=6", "compute.actors=2")
    asked = iter([False, False, False, True])
    checkpointer = Checkpointer(tmp_path)
    stopped = Simulation(spec, executor, checkpointer=checkpointer, should_stop=lambda: next(asked)).run()
    assert stopped.rounds == 3
    with LocalExecutor() as local:
        resumed = Simulation(spec, local, checkpointer=checkpointer, resume=True).run()
    assert resumed.trajectory_digest == local_digest(spec)


def test_an_error_inside_an_actor_arrives_as_itself(make_spec: MakeSpec, executor: RayExecutor) -> None:
    spec = make_spec("rounds=50", "method.server_optimizer.lr=1000", "method.client_optimizer.lr=1000", "compute.actors=1")
    with pytest.raises(DivergedError, match=r"diverged in round [0-9]"):
        Simulation(spec, executor).run()


class KillAfter:
    """Kills a client actor's process once a round is over."""

    def __init__(self, pid: int, round: int) -> None:
        self._pid, self._round = pid, round

    def emit(self, event: Event) -> None:
        if isinstance(event, RoundFinished) and event.round == self._round:
            os.kill(self._pid, signal.SIGKILL)


def test_a_killed_actor_is_a_lost_actor_and_the_run_resumes_to_the_same_digest(
    make_spec: MakeSpec, cluster: None, tmp_path: Path
) -> None:
    spec = make_spec("rounds=6", "compute.actors=2", "compute.checkpoint_every=2")
    checkpointer = Checkpointer(tmp_path)
    with RayExecutor() as executor:
        Simulation(make_spec("rounds=1", "compute.actors=2"), executor).run()
        pid = ray.get(executor.hosts[0].actor.__ray_call__.remote(lambda _: os.getpid()))
        with pytest.raises(LostActorError, match="actor of the run died"):
            Simulation(spec, executor, sink=KillAfter(pid, 3), checkpointer=checkpointer).run()
    with RayExecutor() as executor:
        resumed = Simulation(spec, executor, checkpointer=checkpointer, resume=True).run()
    assert resumed.trajectory_digest == local_digest(spec)


def test_auto_is_ray_where_a_cluster_is_connected(make_spec: MakeSpec, cluster: None) -> None:
    assert isinstance(executor_for(make_spec()), RayExecutor)
    assert isinstance(executor_for(make_spec("compute.executor=local")), LocalExecutor)


@pytest.mark.soak
def test_a_driver_process_killed_between_two_rounds_resumes_to_the_same_digest(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("rounds=60", "compute.checkpoint_every=5", "compute.executor=ray", "compute.actors=1")
    (tmp_path / "spec.yaml").write_text(json.dumps(spec.canonical()))
    command = [sys.executable, "-m", "heron_ray.cli", "run", str(tmp_path / "spec.yaml")]
    arguments = ["--checkpoint-dir", str(tmp_path / "kept"), "--events", "/dev/stdout", "--json"]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("round") == 12:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    resumed = subprocess.run(
        [*command, "--resume", str(tmp_path / "kept"), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(resumed.stdout)["trajectory_digest"] == local_digest(spec)

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from heron_ray.errors import CheckpointError, DivergedError, ExhaustedMemoryError, SpecError
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.events import ClientLosses, RoundFinished
from heron_ray.simulation.messages import Waiting
from heron_ray.simulation.plan import plan_round
from heron_ray.simulation.roles import ClientHost
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from heron_ray.vectors import FlatVector
from tests.conftest import MakeSpec, method_overrides, takes


def run(spec: ExperimentSpec, **options: object) -> RunResult:
    with LocalExecutor() as executor:
        return Simulation(spec, executor, **options).run()  # type: ignore[arg-type]


def test_the_same_spec_gives_the_same_bits(make_spec: MakeSpec) -> None:
    first, second = run(make_spec()), run(make_spec())
    assert first.trajectory_digest == second.trajectory_digest
    assert run(make_spec("seed=1")).trajectory_digest != first.trajectory_digest
    assert run(make_spec("method.zeroth_order.mu=0.002")).trajectory_digest != first.trajectory_digest


def test_losses_of_single_clients_are_told_every_so_many_rounds_and_change_nothing(make_spec: MakeSpec) -> None:
    sink = ListSink()
    told = run(make_spec("rounds=5", "clients.per_round=3", "evaluation.client_losses=2"), sink=sink)
    assert told.test_accuracy == run(make_spec("rounds=5", "clients.per_round=3")).test_accuracy
    means = {event.round: event.metrics["client_loss"] for event in sink.events if isinstance(event, RoundFinished)}
    losses = {event.round: event.losses for event in sink.events if isinstance(event, ClientLosses)}
    assert {round: sum(one) / len(one) for round, one in losses.items()} == {round: means[round] for round in (2, 4)}


def test_seed_replay_changes_no_bit(make_spec: MakeSpec) -> None:
    replayed = run(make_spec("method.zeroth_order.replay=true"))
    summed = run(make_spec("method.zeroth_order.replay=false"))
    assert replayed.trajectory_digest == summed.trajectory_digest


ADAM = "method.client_optimizer={kind: adam, lr: 0.01}"


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_a_resumed_run_is_the_undisturbed_run(make_spec: MakeSpec, tmp_path: Path, kind: str) -> None:
    overrides = [*method_overrides(kind), "rounds=6", "compute.checkpoint_every=2"]
    if kind != "ho_sfl":  # it needs every client in every round
        overrides.append("clients.per_round=4")
    if takes(kind, "server_optimizer"):
        overrides.append("method.server_optimizer={kind: adam, lr: 0.01}")
    if takes(kind, "client_optimizer", "client_optimizer_lifetime"):
        overrides += [ADAM, "method.client_optimizer_lifetime=run"]
    spec = make_spec(*overrides)
    whole, whole_events = run(spec), ListSink()
    run(spec, sink=whole_events)
    rounds = iter([False, False, False, True])
    stopped = run(spec, checkpointer=Checkpointer(tmp_path), should_stop=lambda: next(rounds))
    assert (stopped.state, stopped.rounds) == ("CANCELLED", 3)
    sink = ListSink()
    resumed = run(spec, checkpointer=Checkpointer(tmp_path), resume=True, sink=sink)
    assert resumed.trajectory_digest == whole.trajectory_digest
    assert resumed.costs == whole.costs
    again = [event for event in sink.events if isinstance(event, RoundFinished)]
    expected = [event for event in whole_events.events if isinstance(event, RoundFinished)]
    assert again == expected[3:]


def test_a_killed_process_resumes_to_the_undisturbed_digest(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("rounds=40", "compute.checkpoint_every=5")
    (tmp_path / "spec.json").write_text(json.dumps(spec.canonical()))
    program = (
        "import json, sys\nfrom pathlib import Path\nfrom heron_ray.simulation import *\n"
        "from heron_ray.spec import parse_spec\n"
        "spec = parse_spec(json.loads(Path(sys.argv[1], 'spec.json').read_text()))\n"
        "with LocalExecutor() as executor:\n"
        "    Simulation(spec, executor, sink=JsonlSink(sys.stdout), checkpointer=Checkpointer(sys.argv[1] + '/kept')).run()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("round") == 12:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    checkpointer = Checkpointer(tmp_path / "kept")
    assert 10 <= checkpointer.load(checkpointer.paths()[0]).round < 40
    resumed = run(spec, checkpointer=checkpointer, resume=True)
    assert resumed.trajectory_digest == run(spec).trajectory_digest


def test_a_checkpoint_with_a_wrong_digest_is_named_and_refused(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("compute.checkpoint_every=2")
    checkpointer = Checkpointer(tmp_path)
    whole = run(spec, checkpointer=checkpointer)
    newest = checkpointer.paths()[0]
    state = newest / "state.safetensors"
    body = bytearray(state.read_bytes())
    body[-1] ^= 1
    state.write_bytes(bytes(body))
    with pytest.raises(CheckpointError, match=rf"state\.safetensors.*digest is wrong.*remove .*{newest.name} to"):
        run(spec, checkpointer=checkpointer, resume=True)
    sink = ListSink()
    resumed = run(spec, checkpointer=checkpointer, resume=True, skip_damaged=True, sink=sink)
    assert resumed.trajectory_digest == whole.trajectory_digest
    assert sink.events[0].kind == "checkpoint_rejected"


@pytest.mark.parametrize("damage", ["{", '{"manifest": {}, "sha256": ""}', ""])
def test_a_damaged_manifest_is_refused(make_spec: MakeSpec, tmp_path: Path, damage: str) -> None:
    checkpointer = Checkpointer(tmp_path)
    run(make_spec("rounds=1"), checkpointer=checkpointer)
    (checkpointer.paths()[0] / "manifest.json").write_text(damage)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpointer.load(checkpointer.paths()[0])


def test_a_checkpoint_of_another_experiment_is_refused(make_spec: MakeSpec, tmp_path: Path) -> None:
    run(make_spec("rounds=2"), checkpointer=Checkpointer(tmp_path))
    with pytest.raises(CheckpointError, match="belongs to another experiment"):
        run(make_spec("rounds=2", "seed=5"), checkpointer=Checkpointer(tmp_path), resume=True)


def test_only_the_newest_checkpoints_are_kept_and_none_is_half_written(make_spec: MakeSpec, tmp_path: Path) -> None:
    run(make_spec("rounds=5", "compute.checkpoint_every=1"), checkpointer=Checkpointer(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["round-00000004", "round-00000005"]


def test_a_run_that_diverges_says_in_which_round(make_spec: MakeSpec) -> None:
    with pytest.raises(DivergedError, match=r"diverged in round [1-9]") as caught:
        run(make_spec("rounds=50", "method.server_optimizer.lr=1000", "method.client_optimizer.lr=1000"))
    assert caught.value.round >= 1


def test_a_run_stops_early_on_validation_accuracy(make_spec: MakeSpec) -> None:
    result = run(make_spec("rounds=50", "stop={accuracy: 0.2}", "evaluation.every=1"))
    assert result.rounds < 50
    assert result.validation_accuracy >= 0.2


def test_points_of_an_evaluation_come_only_with_one(make_spec: MakeSpec) -> None:
    sink = ListSink()
    run(make_spec("rounds=5", "evaluation.every=2"), sink=sink)
    evaluated = [
        event.round for event in sink.events if isinstance(event, RoundFinished) and "validation_accuracy" in event.metrics
    ]
    assert evaluated == [2, 4, 5]


def test_totals_are_the_sum_of_the_rounds(make_spec: MakeSpec) -> None:
    sink = ListSink()
    result = run(make_spec("clients.per_round=3"), sink=sink)
    rounds = [event for event in sink.events if isinstance(event, RoundFinished)]
    assert sum(event.metrics["bytes_up"] for event in rounds) == result.costs.bytes_up
    assert sum(event.metrics["bytes_down"] for event in rounds) == result.costs.bytes_down


def test_global_random_state_is_neither_used_nor_touched(make_spec: MakeSpec) -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    digest = run(make_spec("rounds=2")).trajectory_digest
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    torch.manual_seed(8)
    assert run(make_spec("rounds=2")).trajectory_digest == digest


def test_a_main_server_that_breaks_in_its_last_step_has_diverged_too(make_spec: MakeSpec) -> None:
    deep = f"model.back={[300] * 12}"
    one_step = ("rounds=1", "clients.count=1", "clients.local_steps=1", "partition={kind: iid}")
    with pytest.raises(DivergedError, match=r"diverged in round 1"):
        run(make_spec(*one_step, deep, "method.server_optimizer={kind: adam, lr: 1000}"))


def test_stopping_between_two_evaluations_does_not_change_where_a_resumed_run_ends(make_spec: MakeSpec, tmp_path: Path) -> None:
    rates = ("method.client_optimizer.lr=0.1", "method.server_optimizer.lr=0.3")
    spec = make_spec("method.kind=cse_fsl", *rates, "rounds=40", "evaluation.every=20", "stop={accuracy: 0.2}")
    undisturbed = run(spec)
    assert undisturbed.rounds == 20
    asked = iter([False] * 15 + [True])
    stopped = run(spec, checkpointer=Checkpointer(tmp_path), should_stop=lambda: next(asked))
    assert stopped.rounds == 15
    resumed = run(spec, checkpointer=Checkpointer(tmp_path), resume=True)
    assert (resumed.rounds, resumed.trajectory_digest) == (20, undisturbed.trajectory_digest)


def test_two_runs_cannot_share_a_checkpoint_directory(tmp_path: Path) -> None:
    mine, other = Checkpointer(tmp_path), Checkpointer(tmp_path)
    with mine.exclusive(), pytest.raises(CheckpointError, match="another run"), other.exclusive():
        pytest.fail("the lock was given twice")
    with other.exclusive():
        assert tmp_path.is_dir()


def test_a_directory_that_cannot_be_written_is_refused_at_once() -> None:
    with pytest.raises(CheckpointError, match="cannot write to /proc/nowhere"), Checkpointer("/proc/nowhere").exclusive():
        pass


def test_what_an_interrupted_save_left_behind_is_removed(make_spec: MakeSpec, tmp_path: Path) -> None:
    (tmp_path / ".partial-1").mkdir()
    run(make_spec("rounds=1"), checkpointer=Checkpointer(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["round-00000001"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_named(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match=r"compute\.device: cuda was asked for"):
        run(make_spec("compute.device=cuda"))


def test_messages_are_bounded_by_bytes_of_updates_too(make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_spec("method.kind=cse_fsl")
    whole = run(spec).trajectory_digest
    monkeypatch.setattr("heron_ray.simulation.roles.client_host.CHUNK_BYTES", 12_000)  # one update and its uploads
    setup = Setup.build(spec)
    host = ClientHost(setup)
    chunk = plan_round(spec, 1, 1).chunks[0]
    vector = FlatVector(setup.build_model().parts(("front", "auxiliary"))).numpy()
    progress, message = host.advance(chunk, vector, (), None, 0, None)
    assert progress.waiting is Waiting.ROOM
    assert message.updates is None or len(message.updates.clients) < len(chunk.clients)
    assert run(spec).trajectory_digest == whole


@pytest.mark.parametrize("kind", ["heron", "fedzo", "mu_splitfed", "ho_sfl"])
def test_the_quality_of_the_estimate_is_a_series_that_changes_nothing_else(make_spec: MakeSpec, kind: str) -> None:
    plain, judged = ListSink(), ListSink()
    without = run(make_spec(*method_overrides(kind)), sink=plain)
    result = run(make_spec(*method_overrides(kind), "evaluation.estimator_quality=true"), sink=judged)
    assert result.test_loss == without.test_loss
    rounds = [[event.metrics for event in sink.events if isinstance(event, RoundFinished)] for sink in (plain, judged)]
    series = {"estimate_cosine", "estimate_relative_error", "probe_signal_to_noise"}
    for before, after in zip(*rounds, strict=True):
        assert {name: value for name, value in after.items() if name not in series} == before
        assert set(after) - set(before) == (series if "test_accuracy" in after else set())
    last = rounds[1][-1]
    assert -1 <= last["estimate_cosine"] <= 1
    assert last["estimate_relative_error"] > 1  # a few probes in many dimensions
    assert last["probe_signal_to_noise"] >= 0


def test_a_model_that_no_memory_holds_is_told_as_that(make_spec: MakeSpec) -> None:
    with pytest.raises(ExhaustedMemoryError, match="memory ran out") as raised:
        run(make_spec("method.kind=cse_fsl", "model.front=[1000000, 1000000, 1000000, 1000000]"))
    assert "heron profile" in (raised.value.hint or "")


def test_the_hint_of_a_diverged_run_names_what_the_method_has(make_spec: MakeSpec) -> None:
    with pytest.raises(DivergedError) as raised:
        run(make_spec("method.kind=fedzo", "method.client_optimizer.lr=1000", "rounds=30"))
    assert "server_optimizer" not in (raised.value.hint or "")
    assert "method.zeroth_order" in (raised.value.hint or "")

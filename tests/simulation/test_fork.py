import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from heron_ray.errors import CheckpointError, SpecError
from heron_ray.methods import make_method
from heron_ray.methods.registry import METHODS
from heron_ray.models import build_model
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.checkpoint import Checkpoint
from heron_ray.simulation.events import RoundFinished, Started
from heron_ray.simulation.export import export_model
from heron_ray.simulation.fork import fork
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.fork import FIXED, FREE, why_fixed
from tests.conftest import MakeSpec, method_overrides, takes


def run(spec: ExperimentSpec, **options: Any) -> RunResult:
    with LocalExecutor() as executor:
        return Simulation(spec, executor, **options).run()


def run_and_keep(spec: ExperimentSpec, folder: Path) -> Checkpoint:
    """The last checkpoint of a whole run."""
    checkpointer = Checkpointer(folder)
    run(spec, checkpointer=checkpointer)
    return checkpointer.load(checkpointer.paths()[0])


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_an_experiment_extended_by_a_fork_is_the_longer_run(make_spec: MakeSpec, tmp_path: Path, kind: str) -> None:
    overrides = [*method_overrides(kind), "evaluation.every=4"]
    if takes(kind, "server_optimizer"):
        overrides.append("method.server_optimizer={kind: adam, lr: 0.01}")
    if takes(kind, "client_optimizer", "client_optimizer_lifetime"):
        overrides += ["method.client_optimizer={kind: adam, lr: 0.01}", "method.client_optimizer_lifetime=run"]
    # Three rounds end between two evaluations, so the shorter run judges a round that the longer one does not.
    short, long = make_spec(*overrides, "rounds=3"), make_spec(*overrides, "rounds=6")
    kept = run_and_keep(short, tmp_path)
    sink = ListSink()
    extended, whole = run(long, start_from=fork(kept, short, long), sink=sink), run(long)
    assert extended.trajectory_digest == whole.trajectory_digest
    assert extended.costs == whole.costs
    started = next(event for event in sink.events if isinstance(event, Started))
    assert started.after_round == 3
    assert [event.round for event in sink.events if isinstance(event, RoundFinished)] == [4, 5, 6]


def test_an_early_stop_is_not_decided_by_an_evaluation_that_only_the_shorter_run_made(make_spec, tmp_path) -> None:
    often = ["method.kind=cse_fsl", "method.client_optimizer.lr=0.2", "evaluation.every=20", "stop={accuracy: 0.2}"]
    short, long = make_spec(*often, "rounds=15"), make_spec(*often, "rounds=40")
    kept = run_and_keep(short, tmp_path)
    assert kept.progress["scores"]["validation_accuracy"] >= 0.2
    extended, whole = run(long, start_from=fork(kept, short, long)), run(long)
    assert (
        (extended.rounds, extended.trajectory_digest)
        == (whole.rounds, whole.trajectory_digest)
        == (20, whole.trajectory_digest)
    )


def test_a_fork_is_a_function_of_the_parent_and_its_own_spec(make_spec: MakeSpec, tmp_path: Path) -> None:
    parent = make_spec()
    kept = run_and_keep(parent, tmp_path)
    calm = make_spec("rounds=8")
    bold = make_spec("rounds=8", "method.client_optimizer.lr=0.05", "attack={kind: sign_flip, byzantine: 1}")
    digests = [run(spec, start_from=fork(kept, parent, spec)).trajectory_digest for spec in (bold, bold, calm)]
    assert digests[0] == digests[1] != digests[2]
    other = make_spec("method.zeroth_order.mu=0.002")
    elsewhere = run_and_keep(other, tmp_path / "other")
    assert run(bold, start_from=fork(elsewhere, other, bold)).trajectory_digest != digests[0]


def test_a_fork_that_is_stopped_goes_on_from_its_own_checkpoint_and_knows_that_it_is_one(make_spec, tmp_path) -> None:
    parent, child = make_spec(), make_spec("rounds=9", "method.zeroth_order.mu=0.01")
    start = fork(run_and_keep(parent, tmp_path / "parent"), parent, child)
    whole = run(child, start_from=start)
    own = Checkpointer(tmp_path / "own")
    asked = iter([False, False, True])
    assert run(child, start_from=start, checkpointer=own, should_stop=lambda: next(asked)).rounds == 6
    resumed = run(child, start_from=start, checkpointer=own, resume=True)
    assert resumed.trajectory_digest == whole.trajectory_digest
    kept = own.load(own.paths()[0])
    assert kept.progress["forked"] == {
        "trajectory_hash": parent.trajectory_hash(),
        "round": 4,
        "digest": start.progress["digest"],
    }


def test_a_checkpoint_of_another_experiment_begins_nothing(make_spec: MakeSpec, tmp_path: Path) -> None:
    parent, child = make_spec(), make_spec("rounds=8", "method.zeroth_order.mu=0.01")
    kept = run_and_keep(parent, tmp_path)
    with pytest.raises(CheckpointError, match="belongs to another experiment"):
        run(child, start_from=kept)
    with pytest.raises(CheckpointError, match="the experiment to fork has"):
        fork(kept, child, make_spec("rounds=9"))


@pytest.mark.parametrize(
    ("override", "path", "reason"),
    [
        ("seed=1", "seed", "drawn from it"),
        ("data={kind: synthetic}", "data.kind", "these samples"),
        ("partition.alpha=0.6", "partition.alpha", "which client's samples"),
        ("model.back=[32]", "model.back", "this model's parameters"),
        ("clients.count=7", "clients.count", "which client holds"),
        ("method.kind=cse_fsl", "method.kind", "the method's own"),
        ("method.client_optimizer_lifetime=run", "method.client_optimizer_lifetime", "optimizers' state"),
        ("method.server_optimizer={kind: adam, lr: 0.01}", "method.server_optimizer", "not of adam"),
        ("method.server_optimizer.momentum=0.9", "method.server_optimizer", "not of sgd with momentum"),
        ("name=other", "rounds", "nothing to do"),
    ],
)
def test_what_a_fork_must_keep_is_named_with_the_reason(make_spec, tmp_path, override, path, reason) -> None:
    parent = make_spec()
    longer = [] if path == "rounds" else ["rounds=8"]
    child = make_spec(override, *longer)
    kept = Checkpoint(round=4, trajectory_hash=parent.trajectory_hash(), vectors={}, progress={"digest": ""})
    with pytest.raises(SpecError, match=reason) as refused:
        fork(kept, parent, child)
    assert [issue.path for issue in refused.value.issues] == [path]


def test_clients_whose_optimizers_end_with_the_round_may_get_others(make_spec: MakeSpec, tmp_path: Path) -> None:
    parent, child = make_spec(), make_spec("rounds=5", "method.client_optimizer={kind: adam, lr: 0.01}")
    assert run(child, start_from=fork(run_and_keep(parent, tmp_path), parent, child)).rounds == 5


def leaves(value: Any, path: str = "") -> list[str]:
    if not isinstance(value, dict):
        return [path]
    return [leaf for name, inner in value.items() for leaf in leaves(inner, f"{path}.{name}" if path else name)]


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_every_field_of_a_spec_is_either_fixed_or_free(make_spec: MakeSpec, kind: str) -> None:
    canonical = make_spec(*method_overrides(kind)).canonical()
    known = (*FIXED, *FREE)
    assert [leaf for leaf in leaves(canonical) if not any(f"{leaf}.".startswith(f"{path}.") for path in known)] == []
    assert why_fixed("something.new") is not None


@pytest.mark.parametrize("kind", ["heron", "fsl_sage", "fedgkt", "fedavg", "split_lora", "frozen_client"])
def test_an_exported_model_is_the_one_that_was_trained(make_spec: MakeSpec, tmp_path: Path, kind: str) -> None:
    spec = make_spec(*method_overrides(kind))
    kept = run_and_keep(spec, tmp_path / "kept")
    digest = run(spec).trajectory_digest
    export_model(spec, kept, tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    assert header["trajectory_digest"] == digest
    assert (header["spec_hash"], header["trajectory_hash"]) == (spec.spec_hash(), spec.trajectory_hash())
    assert header["round"] == "4"
    assert json.loads(json.dumps(header))["version"]
    model = build_model(spec.model, input_shape=(64,), classes=10, seed=spec.seed, device=torch.device("cpu"))
    method = make_method(spec.method)
    for part in ("front", "auxiliary", "back"):
        state = {name.removeprefix(f"{part}."): tensor for name, tensor in tensors.items() if name.startswith(f"{part}.")}
        getattr(model, part).load_state_dict(state, strict=kind != "split_lora")
    flat = [p.detach().numpy().ravel() for part in method.shared_parts for p in getattr(model, part).parameters()]
    assert np.array_equal(np.concatenate([*flat, np.zeros(0)]), kept.vectors["federation/client"])
    own = {name.split(".")[1] for name in tensors if name.startswith("clients.")}
    assert len(own) == (spec.clients.count if method.own_parts else 0)

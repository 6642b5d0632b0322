"""Runs with `privacy`: what is sent, what is counted, what stays the same, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from heron_ray.errors import SpecError
from heron_ray.methods.registry import METHODS
from heron_ray.privacy import clip_rows, gaussian_epsilon, renyi_epsilon, sampled_renyi
from heron_ray.simulation import LocalExecutor
from heron_ray.simulation.plan import planner
from heron_ray.simulation.privacy_ledger import PrivacyLedger
from heron_ray.simulation.roles import ClientHost
from heron_ray.simulation.roles.batches import Batches
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.fork import require_forkable
from tests.conftest import MakeSpec, method_overrides, require_refusal
from tests.federation.runs import resumed, stopped_after
from tests.privacy.runs import run

SMASHED = "privacy.smashed={clip: 2.0, sigma: 1.0}"
LOCAL = "privacy.updates={clip: 0.1, sigma: 0.5}"
CENTRAL = "privacy.updates={clip: 0.1, sigma: 0.5, noise: central}"
PROTECTED = [kind for kind in METHODS if kind not in ("fedavg", "fedzo", "fedgkt")]


def messages(spec: ExperimentSpec):
    """What the clients of the first round send, all in one chunk after another."""
    setup = Setup.build(spec)
    with LocalExecutor() as executor:
        executor.open(setup)
        host, broadcast = ClientHost(setup), executor.federation_server.call("broadcast")
        return [host.advance(chunk, broadcast, (), None, 0, None)[1] for chunk in planner(setup)(1, 1).chunks]


def test_specs_without_privacy_keep_their_hashes(make_spec: MakeSpec) -> None:
    spec = make_spec()
    assert "privacy" not in spec.canonical()
    assert make_spec("stop={accuracy: 0.9}").canonical()["stop"] == {"accuracy": 0.9}
    assert spec.spec_hash() == "067c75bedab68caa3399b51dcedf4e58309439cef13fa03ea330c0a1f5d6e3db"


def test_what_is_sent_is_the_clipped_message_plus_noise_and_nothing_else_changes(make_spec: MakeSpec) -> None:
    clear, noised = messages(make_spec()), messages(make_spec(SMASHED, LOCAL))
    for one, other in zip(clear, noised, strict=True):
        assert one.uploads.y.tolist() == other.uploads.y.tolist()
        noise = other.uploads.z - clip_rows(one.uploads.z, 2.0)
        assert abs(noise.std() / 2.0 - 1) < 0.05
        assert abs(np.corrcoef(noise.ravel(), one.uploads.z.ravel())[0, 1]) < 0.05
        noise = other.updates.vectors - clip_rows(one.updates.vectors, 0.1)
        assert abs(noise.std() / 0.05 - 1) < 0.05


def test_no_two_messages_share_their_noise(make_spec: MakeSpec) -> None:
    clear, noised = messages(make_spec()), messages(make_spec(SMASHED, LOCAL))
    noises = [other.uploads.z - clip_rows(one.uploads.z, 2.0) for one, other in zip(clear, noised, strict=True)]
    first = np.concatenate(noises)[:, 0]
    assert len(np.unique(first.round(4))) > 0.98 * len(first)


def test_central_noise_is_added_once_to_the_mean_of_clipped_updates(make_spec: MakeSpec) -> None:
    spec = make_spec(CENTRAL)
    setup, sent = Setup.build(spec), messages(spec)
    vectors = np.concatenate([one.updates.vectors for one in sent])
    assert np.linalg.norm(vectors, axis=1).max() <= 0.1 * (1 + 1e-6)
    with LocalExecutor() as executor:
        executor.open(setup)
        server = executor.federation_server
        before = server.call("shared_parts")
        server.call("collect", *sent)
        server.call("aggregate", 1)
        noise = server.call("shared_parts") - before - vectors.mean(axis=0)
    assert abs(noise.std() / (0.5 * 0.1 / len(vectors)) - 1) < 0.05


@pytest.mark.parametrize("kind", PROTECTED)
def test_every_method_with_smashed_data_runs_and_goes_on_to_the_same_digest_after_a_stop(kind, make_spec, tmp_path) -> None:
    updates = [CENTRAL] if kind not in ("frozen_client", "ho_sfl") else []
    rates = ["method.client_optimizer.lr=0.003", "method.server_optimizer.lr=0.01"] if kind == "split_lora" else []
    spec = make_spec(*method_overrides(kind), *rates, SMASHED, *updates, "rounds=3")
    whole, _ = run(spec)
    assert resumed(spec, stopped_after(2, spec, tmp_path)).trajectory_digest == whole.trajectory_digest
    assert resumed(spec, stopped_after(1, spec, tmp_path / "again")).privacy == whole.privacy
    assert whole.trajectory_digest != run(make_spec(*method_overrides(kind), *rates, "rounds=3"))[0].trajectory_digest


def test_clients_computed_in_blocks_send_what_they_send_alone(make_spec: MakeSpec, monkeypatch) -> None:
    spec = make_spec(SMASHED, LOCAL, "clients.batch_size=16", "partition={kind: iid}")
    together = run(spec)[0].trajectory_digest
    monkeypatch.setattr(Setup, "clients_per_block", lambda self: 1)
    assert run(spec)[0].trajectory_digest == together


@pytest.mark.parametrize(("every", "steps", "batch"), [(1, 3, 16), (2, 9, 16), (3, 40, 64), (1, 12, 500), (7, 30, 100)])
def test_the_ledger_counts_as_many_releases_as_the_busiest_sample_has_at_most(make_spec, every, steps, batch) -> None:
    overrides = [f"clients.batch_size={batch}", f"clients.local_steps={steps}", f"method.upload_every={every}"]
    spec = make_spec(SMASHED, *overrides, "clients.per_round=3", "rounds=5")
    setup = Setup.build(spec)
    ledger, plan = PrivacyLedger(setup, spec.privacy), planner(setup)
    seen: dict[int, int] = {}
    bounds = dict.fromkeys(range(6), 0)
    for round in range(1, 6):
        ledger.add(plan(round, 1))
        for client in plan(round, 1).cohort:
            batches = Batches(setup.shards[client], batch, seed=spec.seed, round=round, client=client)
            for step in range(0, steps, every):
                for index in batches.indices(step).tolist():
                    seen[index] = seen.get(index, 0) + 1
            per_epoch = len(setup.shards[client]) // min(batch, len(setup.shards[client]))
            bounds[client] += len({step // per_epoch for step in range(0, steps, every)})
    told = ledger.result({})["releases_smashed"]
    assert told == max(bounds.values()) >= max(seen.values())


def test_epsilon_is_that_of_all_releases_together_and_stands_in_series_and_result(make_spec: MakeSpec) -> None:
    result, rounds = run(make_spec(SMASHED, LOCAL, "privacy.delta=1e-6", "rounds=3"))
    for number, one in enumerate(rounds, start=1):
        assert one.metrics["epsilon_updates"] == gaussian_epsilon(2 / 0.5 * number**0.5, 1e-6)
        assert one.metrics["epsilon_smashed"] > rounds[0].metrics["epsilon_smashed"] * (number > 1)
    releases = result.privacy["releases_smashed"]
    assert result.privacy["epsilon_smashed"] == gaussian_epsilon(2 * releases**0.5, 1e-6)
    assert result.privacy["releases_updates"] == 3
    assert run(make_spec("rounds=1"))[0].privacy is None


def test_only_central_noise_over_uniform_cohorts_is_amplified_by_sampling(make_spec: MakeSpec) -> None:
    few = ["clients.count=60", "clients.per_round=2", "partition={kind: iid}"]
    spec = make_spec(*few, "privacy.updates={clip: 1, sigma: 3, noise: central}")
    ledger, plan = PrivacyLedger(Setup.build(spec), spec.privacy), planner(Setup.build(spec))
    told = [ledger.add(plan(round, 1))["epsilon_updates"] for round in range(1, 5)]
    amplified = [renyi_epsilon(rounds * sampled_renyi(2 / 3, 2 / 60), 1e-5) for rounds in range(1, 5)]
    assert told == pytest.approx(amplified)
    assert told[0] < gaussian_epsilon(2 / 3, 1e-5)
    edge = "edge={population: {kind: mixture, devices: [{profile: phone}], links: [{profile: lte}]}}"
    for other in (make_spec(*few, "privacy.updates={clip: 1, sigma: 3}"), make_spec(*few, edge, *spec_updates(spec))):
        ledger = PrivacyLedger(Setup.build(other), other.privacy)
        assert ledger.add(plan(1, 1))["epsilon_updates"] == gaussian_epsilon(2 / 3, 1e-5)


def test_a_ledger_goes_on_from_its_state_and_never_amplifies_what_was_not(make_spec: MakeSpec) -> None:
    few = ["clients.count=60", "clients.per_round=2", "partition={kind: iid}"]
    spec = make_spec(*few, SMASHED, "privacy.updates={clip: 1, sigma: 3, noise: central}")
    setup, plan = Setup.build(spec), planner(Setup.build(spec))
    first, second, third = (PrivacyLedger(setup, spec.privacy) for _ in range(3))
    for round in (1, 2):
        first.add(plan(round, 1))
    second.load(json.loads(json.dumps(first.state())))
    assert second.add(plan(3, 1)) == first.add(plan(3, 1))
    assert second.state() == first.state()
    third.load({**first.state(), "sampled": None})
    assert third.add(plan(4, 1))["epsilon_updates"] >= gaussian_epsilon(2 / 3, 1e-5) > first.add(plan(4, 1))["epsilon_updates"]


def spec_updates(spec: ExperimentSpec) -> list[str]:
    updates = spec.privacy.updates
    return [f"privacy.updates={{clip: {updates.clip}, sigma: {updates.sigma}, noise: {updates.noise}}}"]


def test_a_run_ends_before_the_round_that_would_exceed_its_budget(make_spec: MakeSpec) -> None:
    budget = gaussian_epsilon(4 * 2.5**0.5, 1e-5)
    result, rounds = run(make_spec(LOCAL, "rounds=9", f"stop.epsilon={budget}"))
    assert (result.state, result.rounds, len(rounds)) == ("SUCCEEDED", 2, 2)
    assert result.privacy["epsilon_updates"] <= budget
    with pytest.raises(SpecError, match="the first round alone"):
        run(make_spec(LOCAL, "stop.epsilon=0.1"))


def test_the_global_model_is_judged_on_clipped_smashed_data(make_spec: MakeSpec) -> None:
    wide, narrow = (run(make_spec(f"privacy.smashed={{clip: {clip}, sigma: 0.001}}"))[0] for clip in (100.0, 1e-6))
    assert wide.test_loss != narrow.test_loss
    assert narrow.test_loss == pytest.approx(np.log(10), abs=0.3)  # of vectors near zero nothing can be told


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        (["privacy={}"], "privacy.smashed", "neither"),
        (["privacy.smashed={clip: 1, sigma: 0}"], "privacy.smashed.sigma", "greater than"),
        (["privacy.smashed={clip: -1, sigma: 1}"], "privacy.smashed.clip", "greater than"),
        (["privacy.updates={clip: 0, sigma: 1}"], "privacy.updates.clip", "greater than"),
        ([LOCAL, "privacy.delta=0"], "privacy.delta", "greater than"),
        ([LOCAL, "privacy.delta=1"], "privacy.delta", "less than"),
        ([LOCAL, "stop={epsilon: 0}"], "stop.epsilon", "greater than"),
        (["stop={epsilon: 1}"], "stop.epsilon", "set privacy"),
        (["stop={}"], "stop", "no reason"),
        ([SMASHED, "method.kind=fedavg"], "privacy.smashed", "no smashed data"),
        ([SMASHED, "method.kind=fedgkt"], "privacy.smashed", "logits"),
        ([LOCAL, "method.kind=frozen_client"], "privacy.updates", "no parameters"),
        ([LOCAL, "method.kind=ho_sfl"], "privacy.updates", "no parameters"),
        ([LOCAL, "method.upload=scalars"], "privacy.updates", "upload=vectors"),
        ([CENTRAL, "aggregation.weights=samples"], "privacy.updates.noise", "plain mean"),
        ([CENTRAL, "aggregation={kind: median}"], "privacy.updates.noise", "plain mean"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(overrides: list[str], path: str, words: str) -> None:
    require_refusal(overrides, path, words)


def test_noise_on_running_variances_is_refused(make_spec: MakeSpec, stripes) -> None:
    images = ["data={kind: image_folder, path: stripes, height: 8, width: 8, channels: 1, classes: 2}"]
    with pytest.raises(SpecError, match="batch normalisation"):
        make_spec(LOCAL, *images, "model={kind: resnet18, auxiliary: {kind: flat_linear}}")


def test_a_fork_keeps_the_account(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match="back to the first round"):
        require_forkable(make_spec(), make_spec(LOCAL, "rounds=9"), after_round=2)

"""The FedAvg benchmark: the bare loop is FedAvg, heron-ray does the same work, and other work is refused."""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmarks import fedavg
from benchmarks.pairs import Report
from benchmarks.peers import workload as work
from heron_ray.simulation import LocalExecutor

ROOT = Path(__file__).parent.parent.parent


BOTH = pytest.mark.parametrize("task", ["mlp-10", "cnn-10"])


@pytest.fixture
def task() -> str:
    return "mlp-10"


@pytest.fixture
def workload(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> work.Workload:
    monkeypatch.setenv(fedavg.VARIABLE, str(tmp_path))
    small = dataclasses.replace(fedavg.TASKS[task], clients=6, cohort=3)
    monkeypatch.setattr(fedavg, "TASKS", {task: small})
    return fedavg.make_workload(task, 3, tmp_path)


def run(workload: work.Workload) -> dict[str, Any]:
    with LocalExecutor() as executor:
        return fedavg.run(workload, executor, time.time())


@BOTH
def test_heron_ray_and_the_bare_loop_reach_the_same_weights(workload: work.Workload) -> None:
    measured = fedavg.require_close(run(workload), "heron-ray")
    assert measured["largest_difference"] < 1e-5
    assert len(measured["seconds"]) == len(measured["bare_seconds"]) == workload.rounds - 2


@pytest.mark.parametrize("round", [0, 2])
def test_other_batches_of_one_client_in_any_round_are_refused(workload: work.Workload, round: int) -> None:
    batches = workload.batches.clone()
    batches[round, 1] = workload.batches[round - 1, 2]
    with pytest.raises(RuntimeError, match=r"^it: in a round a weight differs by"):
        fedavg.require_close(run(dataclasses.replace(workload, batches=batches)), "it")


@BOTH
def test_a_bare_round_is_the_mean_of_what_each_client_would_reach_alone(workload: work.Workload) -> None:
    reached = []
    for position in range(workload.cohort):
        network = work.model(workload)
        for rows in workload.batches[0, position]:
            loss = functional.cross_entropy(network(workload.x[rows]), workload.y[rows])
            slopes = torch.autograd.grad(loss, list(network.parameters()))
            for parameter, slope in zip(network.parameters(), slopes, strict=True):
                parameter.data -= workload.lr * slope
        reached.append(nn.utils.parameters_to_vector(network.parameters()).detach())
    loop = work.BareLoop(workload)
    loop.round()
    torch.testing.assert_close(loop.weights, torch.stack(reached).mean(0), rtol=0, atol=1e-6)


def test_a_bare_loop_goes_on_from_weights_it_is_given_and_leaves_them_alone(workload: work.Workload) -> None:
    first, second = work.BareLoop(workload), work.BareLoop(dataclasses.replace(workload, batches=workload.batches[1:]))
    first.round()
    given = first.weights
    kept = given.clone()
    second.weights = given
    first.round()
    second.round()
    assert torch.equal(first.weights, second.weights)
    assert torch.equal(given, kept)


def test_a_participant_that_fails_in_one_round_is_far_from_the_bare_loop(workload: work.Workload) -> None:
    clock = work.Interleaved(workload, time.time())
    clock.begin()
    twin = work.BareLoop(workload)
    for _ in range(workload.rounds):
        twin.round()
        reached = twin.weights
        clock.round_over(lambda: reached * torch.nan if len(clock._seconds) == 2 else reached)  # noqa: B023
        twin.weights = reached
    with pytest.raises(RuntimeError, match="differs by inf"):
        fedavg.require_close(clock.report(), "it")


def test_a_workload_comes_back_from_its_folder(workload: work.Workload, tmp_path: Path) -> None:
    workload.save(tmp_path)
    loaded = work.Workload.load(tmp_path)
    for field in dataclasses.fields(workload):
        ours, theirs = getattr(workload, field.name), getattr(loaded, field.name)
        assert torch.equal(ours, theirs) if field.name in work.ARRAYS else ours == theirs


def test_every_participant_is_measured_and_the_better_executor_is_judged(tmp_path: Path) -> None:
    """A participant's script is replaced by one that reports given times."""
    source = "import json, sys; open(sys.argv[2] + '/report.json', 'w').write(json.dumps({report!r}))"

    def participant(seconds: float) -> list[str | Path]:
        times = {"seconds": [seconds] * 20, "bare_seconds": [2.0] * 20}
        report = times | {"first_round_seconds": 1.0, "start_seconds": 1.0, "largest_difference": 1e-6}
        return [sys.executable, "-c", source.format(report=report)]

    taken = {"heron-ray (local)": 4.0, "heron-ray (ray)": 1.0, "flower": 20.0, "pfl_research": 2.0}
    report = Report({}, None)
    fedavg.measure("mlp-1000", {who: participant(seconds) for who, seconds in taken.items()}, tmp_path, report)
    figures = {one.name: (one.median, one.verdict) for one in report._figures}
    assert figures["mlp-1000: heron-ray (local) / bare loop"] == (2.0, "")
    assert figures["mlp-1000: heron-ray, better: heron-ray (ray) / bare loop"] == (0.5, "met")
    assert figures["mlp-1000: heron-ray (ray) / flower"] == (0.05, "not met")
    assert figures["mlp-1000: heron-ray (local) / flower"] == (0.2, "")
    assert figures["mlp-1000: heron-ray (ray) / pfl_research"] == (0.5, "not met")


def test_a_peer_of_other_arithmetic_is_named_and_left_out_and_heron_ray_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {"seconds": [1.0] * 20, "bare_seconds": [2.0] * 20, "first_round_seconds": 1.0, "start_seconds": 1.0}
    source = "import json, sys; open(sys.argv[2] + '/report.json', 'w').write(json.dumps({report!r}))"
    close, far = (
        [sys.executable, "-c", source.format(report=report | {"largest_difference": difference})] for difference in (1e-6, 1e-2)
    )
    measured = Report({}, None)
    fedavg.measure("mlp-10", {**dict.fromkeys(fedavg.OURS, close), "flower": far}, tmp_path, measured)
    assert "flower is left out: flower: in a round a weight differs by 1.00e-02" in capsys.readouterr().out
    assert not [one for one in measured._figures if "flower" in one.name]
    with pytest.raises(RuntimeError, match="a weight differs"):
        fedavg.measure("mlp-10", dict.fromkeys(fedavg.OURS, far), tmp_path, measured)


def test_a_participant_that_reports_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)failed:.*no such thing"):
        fedavg.run_process([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)


def test_the_interval_of_a_quotient_contains_it_and_is_wide_where_samples_are() -> None:
    draw = np.random.Generator(np.random.PCG64(1))
    narrow, wide = draw.normal(2, 0.01, 40), draw.normal(4, 1, 40)
    close, loose = fedavg.quotient("", narrow, narrow * 2), fedavg.quotient("", narrow, wide)
    assert close.median == pytest.approx(0.5)
    assert loose.low < 0.5 < loose.high
    assert close.high - close.low < 0.1 * (loose.high - loose.low)


@pytest.mark.parametrize("peer", fedavg.PEER_NAMES)
def test_a_peer_has_a_script_and_requirements_of_the_same_torch_that_name_no_index(peer: str) -> None:
    assert (fedavg.PEERS / f"{peer}.py").is_file()
    requirements = (fedavg.PEERS / f"{peer}.txt").read_text(encoding="utf-8")
    assert "://" not in requirements
    assert "index" not in requirements
    torch_line = next(line for line in requirements.splitlines() if line.startswith("torch=="))
    assert f"\n{torch_line} " in (ROOT / "requirements.lock").read_text(encoding="utf-8")

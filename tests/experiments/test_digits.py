"""The shipped digits experiments are one experiment with three methods, in which training the client matters."""

from pathlib import Path

import pytest

from heron_ray.simulation import LocalExecutor, RunResult, Simulation
from heron_ray.simulation.profile import client_costs
from heron_ray.spec import ExperimentSpec, load_spec

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
METHODS = ("heron", "cse_fsl", "frozen_client")


def load(method: str, *overrides: str) -> ExperimentSpec:
    return load_spec(EXPERIMENTS / f"digits-{method}.yaml", overrides)[0]


def run(method: str, *overrides: str) -> RunResult:
    with LocalExecutor() as executor:
        return Simulation(load(method, *overrides), executor).run()


SHIPPED = sorted(path for path in EXPERIMENTS.rglob("*.yaml") if path.parent.name != "studies")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_experiment_is_valid(path: Path) -> None:
    load_spec(path)


def test_the_three_differ_in_name_and_method_only() -> None:
    heron, twin, control = (load(method).canonical() for method in METHODS)
    for other in (twin, control):
        assert {key for key in heron if heron[key] != other[key]} == {"name", "method"}


@pytest.mark.soak  # tests/methods/test_contract.py has it for every method, in little
def test_a_trained_client_beats_a_frozen_one_well_before_the_end() -> None:
    short = "rounds=200"  # of 600; benchmarks/digits_accuracy.py runs them whole, over seeds
    heron, twin, control = (run(method, short) for method in METHODS)
    assert heron.test_accuracy > control.test_accuracy + 0.08
    assert twin.test_accuracy > control.test_accuracy + 0.15
    assert heron.auxiliary_accuracy > 0.7


@pytest.mark.soak
@pytest.mark.parametrize(("method", "tflop"), [("split_lora", 1.371), ("cse_fsl", 2.912), ("heron", 2.858)])
def test_a_step_of_the_papers_gpt2_medium_costs_what_its_page_says(method: str, tflop: float) -> None:
    spec, _ = load_spec(EXPERIMENTS / "paper" / "gpt2-medium-heron.yaml", [f"method.kind={method}"])
    assert 2 * client_costs(spec).client_macs_per_step / 1e12 == pytest.approx(tflop, abs=5e-4)
    assert f"| {tflop} |" in (EXPERIMENTS.parent / "docs" / "paper.md").read_text(encoding="utf-8")

"""The paper's Table II from the experiments that are shipped for it; docs/paper.md tells the same for people."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from heron_ray.simulation import Profile, profile
from heron_ray.simulation.paper_convention import paper_convention
from heron_ray.spec import ExperimentSpec, load_spec

FOLDER = Path(__file__).parents[2] / "experiments" / "paper"
METHODS = ["heron", "cse_fsl", "fsl_sage", "sflv1", "sflv2"]
MIB = 2**20
ACTIVATION = 64 * MIB


def shipped(kind: str, *overrides: str) -> ExperimentSpec:
    return load_spec(FOLDER / f"resnet18-{kind}.yaml", overrides)[0]


@cache
def costs(kind: str) -> Profile:
    """Counted and tracked; two steps tell what forty do, which `test_every_step_costs_the_same` shows."""
    return profile(shipped(kind, "clients.local_steps=2"))


def test_the_experiments_differ_in_method_and_rounds_alone() -> None:
    assert sorted(path.stem for path in FOLDER.glob("resnet18-*.yaml")) == sorted(f"resnet18-{kind}" for kind in METHODS)
    settings: list[dict[str, Any]] = []
    for kind in METHODS:
        spec = shipped(kind)
        assert (spec.name, spec.method.kind) == (f"resnet18-{kind}", kind)
        assert spec.method.client_optimizer.model_dump() == spec.method.server_optimizer.model_dump()
        settings.append({key: value for key, value in spec.canonical().items() if key not in ("name", "method", "rounds")})
    assert all(setting == settings[0] for setting in settings)


@pytest.mark.parametrize(
    ("kind", "gmacs"), [("heron", 39.90), ("cse_fsl", 59.39), ("fsl_sage", 59.22), ("sflv1", 58.89), ("sflv2", 58.89)]
)
def test_counted_macs(kind: str, gmacs: float) -> None:
    assert costs(kind).client_macs_per_step / 1e9 == pytest.approx(gmacs, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "gmacs", "mib", "gib"),
    [
        ("heron", 39.90, 259.44, 244.19),
        ("cse_fsl", 59.85, 726.46, None),
        ("fsl_sage", 59.85, 726.46, 244.24),
        ("sflv1", 59.51, 709.93, None),
        ("sflv2", 59.51, 709.93, 390.67),
    ],
)
def test_the_papers_convention_gives_the_papers_figures(kind: str, gmacs: float, mib: float, gib: float | None) -> None:
    found = paper_convention(shipped(kind))
    assert found is not None
    assert found.macs_per_step / 1e9 == pytest.approx(gmacs, rel=2e-4)
    assert found.peak_mib == pytest.approx(mib, rel=5e-3)
    assert found.traffic_gib == (None if gib is None else pytest.approx(gib, rel=1e-4))


def test_a_profile_carries_the_convention() -> None:
    spec = shipped("heron", "clients.local_steps=2")
    assert costs("heron").paper_convention == paper_convention(spec)
    assert set(costs("heron").to_dict()["paper_convention"]) == {"macs_per_step", "peak_mib", "traffic_gib"}


def test_a_lean_zeroth_order_client_holds_little_of_what_its_twin_holds() -> None:
    heron, twin = costs("heron"), costs("cse_fsl")
    assert heron.client_peak_bytes <= 0.38 * twin.client_peak_bytes
    assert heron.client_peak_bytes == pytest.approx(143.9 * MIB, rel=1e-3)
    assert twin.client_peak_bytes == pytest.approx(526.2 * MIB, rel=1e-3)
    model = 4 * (75_840 + 655_370 + 3 * 2 * 64)
    input = 256 * (3 * 32 * 32 * 4 + 8)
    probes = 2 * 65_536 * 4
    assert heron.client_peak_parts == {
        "activations": pytest.approx(2 * ACTIVATION + ACTIVATION * 16 // 256, rel=1e-3),
        "optimizer_state": pytest.approx(2 * model, rel=1e-3),
        "parameters": model,
        "input": input,
        "direction": probes // 2,
        "estimate": probes // 2,
    }
    cut = sum(twin.client_peak_parts[part] for part in ("activation_cache", "activations", "smashed"))
    assert cut == pytest.approx(8 * ACTIVATION, rel=1e-3)


@pytest.mark.parametrize("kind", METHODS)
def test_every_step_costs_the_same(kind: str) -> None:
    three = profile(shipped(kind, "clients.local_steps=3"))
    for name in ("client_macs_per_step", "client_peak_bytes", "client_peak_parts"):
        assert getattr(three, name) == getattr(costs(kind), name)
    smashed = [one.traffic_per_round_bytes["up"]["smashed"] for one in (costs(kind), three)]
    assert smashed[0] * 3 == smashed[1] * 2

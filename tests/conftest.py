"""What every test may use: small real specs, built from one base by overrides."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from heron_ray.errors import SpecError
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec import ExperimentSpec, apply_overrides, parse_override, parse_spec
from heron_ray.spec.fields import section_class

BASE: dict[str, Any] = {
    "name": "test",
    "rounds": 4,
    "data": {"kind": "digits"},
    "partition": {"kind": "dirichlet", "alpha": 0.5},
    "model": {"kind": "mlp", "front": [32, 16], "back": [64], "auxiliary": {"kind": "linear"}},
    "clients": {"count": 6, "batch_size": 16, "local_steps": 3},
    "method": {
        "kind": "heron",
        "zeroth_order": {"probes": 2},
        "client_optimizer": {"kind": "sgd", "lr": 0.02},
        "server_optimizer": {"kind": "sgd", "lr": 0.1},
    },
    "aggregation": {"kind": "mean"},
    "evaluation": {"every": 2},
}

MakeSpec = Callable[..., ExperimentSpec]

# One process runs each of these one after another: what shares a Ray within the tests, and what starts whole services.
TOGETHER = {
    "ray": ("tests/actors/", "tests/cluster/test_nodes.py", "tests/sweeps/", "tests/cli/test_doctor.py"),
    "service": (
        *("tests/chaos/", "tests/e2e/", "tests/service/"),
        *("tests/benchmarks/test_service_memory.py", "tests/cli/test_demo.py"),
    ),
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For a run in several processes: two groups of files that start Ray, and every other file by itself."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.split("::", 1)[0]
            return next((group for group, starts in TOGETHER.items() if path.startswith(starts)), path)

    return ByFile(config, log)


def pytest_collection_finish() -> None:
    """Some million objects come with torch and the tests themselves; from here on no collection of garbage looks at them.

    Of what comes later the caches of libraries are most, and Python's thresholds would have it looked through all the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def pytest_unconfigure() -> None:
    """Extensions look at their end for what was left behind."""
    gc.unfreeze()


def spec_from(*overrides: str) -> ExperimentSpec:
    """The base spec with these overrides."""
    mapping, _ = apply_overrides(BASE, [parse_override(text) for text in overrides])
    return parse_spec(mapping)


@pytest.fixture
def make_spec() -> MakeSpec:
    """`make_spec("rounds=3", "method.kind=sflv2")` is the base spec with these overrides."""
    return spec_from


def require_refusal(overrides: list[str], path: str, words: str) -> None:
    """The base spec with these overrides is refused for this path alone, in words that match."""
    with pytest.raises(SpecError, match=words) as caught:
        spec_from(*overrides)
    assert [issue.path for issue in caught.value.issues] == [path]


def method_overrides(kind: str) -> list[str]:
    """What turns the base spec into one of that method, small and with all that is special to it."""
    more = {
        "fsl_sage": ["method.alignment={every: 2, epochs: 3}"],
        "mu_splitfed": [
            "method.server_steps=2",
            "method.server_zeroth_order={probes: 2}",
            "method.client_optimizer.lr=0.002",
            "method.server_optimizer.lr=0.005",
        ],
        "split_lora": ["model.lora={rank: 4}"],
    }
    return [f"method.kind={kind}", *more.get(kind, [])]


def local_digest(spec: ExperimentSpec) -> str:
    """What an undisturbed run on the local executor comes to."""
    with LocalExecutor() as executor:
        return Simulation(spec, executor).run().trajectory_digest


def takes(kind: str, *fields: str) -> bool:
    """Whether that method's section has all of these fields."""
    section = section_class("method", kind)
    return section is not None and set(fields) <= set(section.model_fields)


@pytest.fixture
def stripes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of noisy stripes, upright or flat: easy for a convolution, at chance for the mean grey."""
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    generator = np.random.default_rng(0)
    for part, count in (("train", 120), ("test", 40)):
        for label, name in enumerate(("flat", "upright")):
            folder = tmp_path / "stripes" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                wave = 80 * np.sign(np.sin(np.arange(8) * np.pi / 2 + generator.uniform(0, 6)))
                grey = 128 + generator.normal(0, 20, (8, 8)) + (wave[None, :] if label else wave[:, None])
                Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path

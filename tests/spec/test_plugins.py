"""Models and data sets of other packages, with the worked example installed as an installer would: by its metadata."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import yaml

from heron_ray.errors import DataError, SpecError
from heron_ray.models.registry import initial_model
from heron_ray.simulation import ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.spec import apply_overrides, parse_override, parse_spec, plugins
from heron_ray.studies import expand, parse_study
from tune_spaces import plan_sweep, require_fit

EXAMPLE = Path(__file__).parents[2] / "examples" / "wine_plugin"


def install(package: Path, site: Path) -> None:
    """What an installer leaves in `site` for a package without a build: its modules, and its name and entry points."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    for module in package.glob("*.py"):
        (site / module.name).write_text(module.read_text())
    metadata = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path; what was found before is forgotten, and so is what was found there."""
    monkeypatch.syspath_prepend(tmp_path)
    plugins.find_plugin.cache_clear()
    yield tmp_path
    plugins.find_plugin.cache_clear()
    sys.modules.pop("wine_plugin", None)


@pytest.fixture
def installed(site):
    install(EXAMPLE, site)
    return site


def wine(*overrides):
    raw = yaml.safe_load((EXAMPLE / "wine.yaml").read_text())
    changed, _ = apply_overrides(raw, [parse_override(text) for text in overrides])
    return parse_spec(changed)


def refusal(*overrides):
    with pytest.raises(SpecError) as caught:
        wine(*overrides)
    (issue,) = caught.value.issues
    return issue.path, issue.message


@pytest.mark.usefixtures("installed")
def test_the_example_learns_and_has_the_same_digest_every_time():
    with LocalExecutor() as executor:
        results = [Simulation(wine(), executor).run() for _ in range(2)]
    assert results[0].test_accuracy > 0.9
    assert results[0].trajectory_digest == results[1].trajectory_digest


@pytest.mark.usefixtures("installed")
def test_options_left_out_are_written_out_so_that_equal_experiments_are_equal():
    short, long = wine("model.options={width: 8}"), wine("model.options={cut: 1, width: 8, blocks: 3}")
    assert short.canonical() == long.canonical()
    assert short.canonical()["data"] == {"kind": "plugin", "name": "wine", "options": {"held_out": 0.2}}
    assert short.trajectory_hash() == long.trajectory_hash() != wine("model.options={width: 9}").trajectory_hash()


@pytest.mark.usefixtures("installed")
def test_initial_values_depend_on_the_seed_alone():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = initial_model(wine())
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again, other = initial_model(wine()), initial_model(wine("seed=1"))
    weights = [model.back[0].inner[1].weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


SGD = "client_optimizer: {kind: sgd, lr: 0.01}, server_optimizer: {kind: sgd, lr: 0.01}"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "overrides",
    [
        [f"method={{kind: split_lora, {SGD}}}", "model.lora={rank: 2}"],
        [f"method={{kind: sflv2, {SGD}}}"],
        ["compute.compile=true", "partition={kind: iid}"],
    ],
    ids=["split_lora", "sflv2", "compile"],
)
def test_everything_else_works_with_it(overrides):
    with LocalExecutor() as executor:
        assert Simulation(wine("rounds=2", *overrides), executor).run().rounds == 2


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("override", "path", "words"),
    [
        ("model.name=towers", "model.name", "no plug-in named 'towers' is installed here; there are: residual"),
        ("data.name=beer", "data.name", "no plug-in named 'beer' is installed here; there are: wine"),
        ("model.options.widht=8", "model.options.widht", "valid here: width, blocks, cut"),
        ("model.options.width=0", "model.options.width", "greater than or equal to 1"),
        ("model.options.width=wide", "model.options.width", "valid integer"),
        ("model.options.cut=3", "model.options.cut", "3 leaves the main server none of the 3 blocks"),
        ("data.options.held_out=0.9", "data.options.held_out", "less than or equal to 0.4"),
        ("partition={kind: natural}", "partition.kind", "who made each sample"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(override, path, words):
    found, message = refusal(override)
    assert found == path
    assert words in message


REWARD = ("method.objective=reward", "method.reward=profit", "method.zeroth_order.mu=0.3")


@pytest.mark.usefixtures("installed")
def test_clients_raise_a_reward_and_are_the_same_in_blocks_and_alone(monkeypatch):
    def told(*overrides):
        sink = ListSink()
        with LocalExecutor() as executor:
            result = Simulation(wine("rounds=3", *overrides), executor, sink=sink).run()
        return result.trajectory_digest, [e.metrics["client_loss"] for e in sink.events if isinstance(e, RoundFinished)]

    digest, losses = told(*REWARD)
    assert all(-1 <= loss <= 4 for loss in losses)
    assert digest != told("method.zeroth_order.mu=0.3")[0]
    monkeypatch.setattr("heron_ray.simulation.setup.BLOCK", 1)
    assert told(*REWARD)[0] == digest


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["method.objective=reward"], "objective=reward needs the name"),
        (["method.reward=profit"], "counts with objective=reward only"),
        (["method.objective=reward", "method.reward=luck"], "no plug-in named 'luck' is installed here; there are: profit"),
    ],
)
def test_a_reward_that_cannot_be_is_refused(overrides, words):
    path, message = refusal(*overrides)
    assert path == "method.reward"
    assert words in message


@pytest.mark.usefixtures("installed")
def test_sweeps_and_studies_vary_its_options():
    base = yaml.safe_load((EXAMPLE / "wine.yaml").read_text())
    widths = {"kind": "choice", "values": [4, 6]}
    assert require_fit(plan_sweep({"model.options.width": widths}, {"samples": 2}), base).model.options["width"] == 4
    with pytest.raises(SpecError, match=r"model.options.widht: .*valid here: width"):
        require_fit(plan_sweep({"model.options.widht": widths}, {"samples": 2}), base)
    axes = {
        name: {"kind": "path", "path": path, "values": [1, 2]}
        for name, path in (("width", "model.options.width"), ("cut", "model.options.cut?"), ("none", "model.options.depth?"))
    }
    figure = {"kind": "bands", "x": "width", "lines": "cut"}
    cells = expand(parse_study({"base": base, "axes": axes, "figures": [figure]}))
    assert {(cell.spec.model.options["width"], cell.spec.model.options["cut"]) for cell in cells} == {
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
    }


def test_without_the_package_its_specs_are_refused():
    with pytest.raises(SpecError, match=r"no plug-in named 'wine' is installed here; none is"):
        wine()


def test_two_packages_of_one_name_and_one_that_breaks_are_refused(installed):
    twin = installed / "twin-1.0.dist-info"
    twin.mkdir()
    (twin / "METADATA").write_text("Metadata-Version: 2.1\nName: twin\nVersion: 1.0\n")
    (twin / "entry_points.txt").write_text("[heron_ray.models]\nresidual = wine_plugin:RESIDUAL\nbroken = no_such_module:IT\n")
    assert "more than one installed package offers 'residual': twin, wine-plugin" in refusal()[1]
    assert "('no_such_module:IT')" not in (message := refusal("model.name=broken")[1])
    assert "the plug-in 'broken' (no_such_module:IT) cannot be imported: No module named 'no_such_module'" in message


def test_data_that_are_not_what_they_were_said_to_be_are_refused(installed, monkeypatch):
    spec = wine()
    with LocalExecutor() as executor:
        with monkeypatch.context() as patch:
            patch.setattr(type(spec.data.plugin), "classes", lambda self, options: 4)
            with pytest.raises(DataError, match=r"in 3 classes, and said \(13,\) in 4"):
                Simulation(spec, executor).run()
        with monkeypatch.context() as patch:
            patch.setattr(type(spec.data.plugin), "load", lambda self, options, seed: 1 / 0)
            with pytest.raises(DataError, match="could not load its data: ZeroDivisionError"):
                Simulation(spec, executor).run()
        with monkeypatch.context() as patch:
            patch.setattr(type(spec.model.plugin), "build", lambda self, options, shape, classes: None)
            with pytest.raises(SpecError, match="built a NoneType, not a SplitModel"):
                Simulation(spec, executor).run()


def test_the_command_line_runs_it_and_reading_its_spec_imports_no_torch(installed):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(EXAMPLE.parents[1])])}
    command = [sys.executable, "-m", "heron_ray.cli", "run", str(EXAMPLE / "wine.yaml"), "--set", "rounds=2", "--json"]
    assert '"trajectory_digest"' in subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    code = (
        "import sys; from pathlib import Path; from heron_ray.spec import load_spec;"
        f"load_spec(Path({str(EXAMPLE / 'wine.yaml')!r})); print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"

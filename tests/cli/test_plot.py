from __future__ import annotations

import json
import re
import shutil

import pytest

from api.domain.states import State
from heron_ray.figures.image import BROWSERS
from heron_ray.spec import parse_spec
from heron_ray.spec.sweep import SweepSpec
from tests.cli.conftest import SPEC
from tune_spaces import resolve_space

HAS_BROWSER = any(shutil.which(name) for name in BROWSERS)
ENDING = "svg" if HAS_BROWSER else "html"


def holds(file, *words: str) -> bool:
    text = file.read_text(encoding="utf-8")
    return all(word in text for word in words)


@pytest.fixture
def run_folder(heron, spec_file, tmp_path):
    assert heron("run", spec_file, "--out", tmp_path / "kept").code == 0
    return tmp_path / "kept"


@pytest.fixture
def id(service, store, dispatcher):
    """An experiment with two rounds."""
    id = store.submit(parse_spec(SPEC)).id
    attempt = dispatcher.claim()
    for round in (1, 2):
        dispatcher.finish_round(attempt, round, 3)
    return id


def test_the_folder_of_a_run_is_drawn_figure_by_figure_without_a_service(heron, run_folder, tmp_path) -> None:
    outcome = heron("plot", run_folder, "-o", tmp_path / f"tiny.{ENDING}", "--json")
    assert outcome.code == 0, outcome.stderr
    files = [tmp_path / f"tiny-{name}.{ENDING}" for name in ("accuracy", "losses", "bytes")]
    assert outcome.object == {"files": [str(file) for file in files]}
    assert holds(files[0], "auxiliary head, test")


def test_looks_at_the_hessian_are_drawn_of_a_local_run_and_of_the_service(
    heron, spec_file, service, store, dispatcher, tmp_path
) -> None:
    few = "evaluation={every: 1, spectrum: {every: 1, samples: 16, probes: 2, lanczos_steps: 3}}"
    assert heron("run", spec_file, "--set", few, "--out", tmp_path / "kept").code == 0
    told = [json.loads(line) for line in (tmp_path / "kept" / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    id = store.submit(parse_spec({**SPEC, "evaluation": {"every": 1, "spectrum": {"every": 1}}})).id
    store.record(*dispatcher.claim(), events=told)
    for run in (tmp_path / "kept", id):
        assert heron("plot", run, "--figure", "spectrum", "-o", tmp_path / "s.html").code == 0
        assert holds(tmp_path / "s.html", "eigenvalue", "round 1", "round 2", "round 3")
        assert heron("report", run, "-o", tmp_path / "r.html").code == 0
        assert holds(tmp_path / "r.html", "Hessian spectrum of the clients&#x27; loss", "round 3")


def test_one_figure_goes_to_the_file_itself_and_an_unknown_one_names_those_there_are(heron, run_folder, tmp_path) -> None:
    assert heron("plot", run_folder, "--figure", "losses", "-o", tmp_path / "losses.html").code == 0
    assert holds(tmp_path / "losses.html", "loss (nats)", "clients, training")
    outcome = heron("plot", run_folder, "--figure", "loss", "-o", tmp_path / "x.html")
    assert outcome.code == 2
    assert "accuracy, losses, bytes" in outcome.stderr


def test_an_experiment_of_the_service_and_a_local_run_are_drawn_side_by_side(heron, run_folder, id, tmp_path) -> None:
    outcome = heron("plot", id, run_folder, "--figure", "accuracy", "-o", tmp_path / "both.html")
    assert outcome.code == 0, outcome.stderr
    assert holds(tmp_path / "both.html", f"tiny ({id[-24:]}), server", "kept), server")


def test_a_sweep_is_drawn_as_the_service_draws_it(heron, service, store, tmp_path) -> None:
    sweep = store.sweeps.submit(SPEC, SweepSpec(space=resolve_space("mu"), samples=1), name="tiny")
    owned = store.sweeps.claim(owner="test", lease_s=60)
    assert owned is not None
    store.sweeps.running(sweep.id, owned.token, owner_pid=1, proposals=[{"method.zeroth_order.mu": 1e-3}])
    store.sweeps.submit_trial(sweep.id, owned.token, 1, parse_spec(SPEC))
    experiment, attempt = store.claim(owner="test", lease_s=60)
    store.running(attempt.id, attempt.token, driver_pid=1, node="here")
    result = {"validation_accuracy": 0.5, "test_accuracy": 0.4}
    store.finish(attempt.id, attempt.token, state=State.SUCCEEDED, reason=None, message=None, result=result)
    outcome = heron("plot", sweep.id, "-o", tmp_path / "sweep.html", "--json")
    assert outcome.code == 0, outcome.stderr
    assert str(tmp_path / "sweep-parallel_coordinates.html") in outcome.object["files"]
    assert experiment.id not in outcome.stdout


def test_the_figures_of_a_study_are_drawn_from_its_folder(heron, tmp_path) -> None:
    figure = {"data": [{"type": "heatmap", "z": [[0.5]]}], "layout": {"title": {"text": "worst case"}}}
    (tmp_path / "figure-1-worst_case.json").write_text(json.dumps(figure))
    outcome = heron("plot", tmp_path, "-o", tmp_path / "out.html")
    assert outcome.stdout.split() == [str(tmp_path / "out.html")]
    assert holds(tmp_path / "out.html", "worst case")


def test_what_nobody_knows_is_not_found_and_a_run_without_points_has_nothing_to_draw(heron, service, store, tmp_path) -> None:
    assert heron("plot", "nobody", "-o", tmp_path / "a.html").code == 3
    queued = store.submit(parse_spec(SPEC)).id
    outcome = heron("plot", queued, "-o", tmp_path / "a.html")
    assert (outcome.code, "not one point" in outcome.stderr) == (2, True)


def test_another_ending_is_bad_usage_before_anything_is_read(heron, tmp_path) -> None:
    outcome = heron("plot", "nobody", "-o", tmp_path / "a.pdf")
    assert outcome.code == 2
    assert re.search(r"\.html, \.svg, \.png", outcome.stderr)


def test_without_a_browser_svg_is_refused_with_the_way_out(heron, run_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = heron("plot", run_folder, "-o", tmp_path / "a.svg")
    assert outcome.code == 1
    assert "apt-get install chromium" in outcome.stderr
    assert heron("plot", run_folder, "-o", tmp_path / "a.html").code == 0

import plotly.graph_objects
import pytest

from heron_ray.figures import spectral_density

FEW = ["--samples", "16", "--probes", "2", "--lanczos-steps", "3"]


def test_the_initial_model_and_a_checkpoint_are_looked_at(heron, spec_file, tmp_path) -> None:
    first = heron("spectrum", spec_file, *FEW, "--json").object
    assert (first["round"], first["method"], first["samples"], first["lanczos_steps"]) == (0, "heron", 16, 3)
    assert first["effective_rank"] == pytest.approx(first["trace"] / first["norm"])
    assert first["size"] == 64 * 8 + 8 + 8 * 10 + 10
    kept = tmp_path / "kept"
    assert heron("run", spec_file, "--checkpoint-dir", kept, "--no-progress").code == 0
    page = tmp_path / "density.html"
    last = heron("spectrum", spec_file, "--checkpoint", kept, *FEW, "--figure", page, "--json").object
    assert last["round"] == 3
    assert last["norm"] != first["norm"]
    assert "eigenvalue" in page.read_text(encoding="utf-8")
    assert "effective rank" in heron("spectrum", spec_file, *FEW).stdout
    other = heron("spectrum", spec_file, "--set", "seed=1", "--checkpoint", kept, *FEW)
    assert other.code != 0
    assert "belongs to another experiment" in other.stderr


def test_what_cannot_be_looked_at_is_said(heron, spec_file, tmp_path) -> None:
    assert "holds no checkpoint" in heron("spectrum", spec_file, "--checkpoint", tmp_path).stderr
    assert "--probes: input should be greater" in heron("spectrum", spec_file, "--probes", "1").stderr
    frozen = heron("spectrum", spec_file, "--set", "method.kind=frozen_client")
    assert frozen.code == 2
    assert "no loss in common" in frozen.stderr


def test_the_density_is_a_figure_with_area_one_per_spectrum() -> None:
    figure = plotly.graph_objects.Figure(spectral_density({"start": ([-1.0, 4.0], [0.75, 0.25]), "end": ([0.0], [1.0])}))
    assert [trace.name for trace in figure.data] == ["start", "end"]
    for trace in figure.data:
        step = trace.x[1] - trace.x[0]
        assert sum(y or 0 for y in trace.y) * step == pytest.approx(1, abs=0.01)

import re
import subprocess
import sys

import plotly.graph_objects
import pytest

from heron_ray.figures import accuracy_curves, write_html

RUNS = {
    "heron": {
        "test_accuracy": {"rounds": [10, 20], "values": [0.5, 0.9]},
        "auxiliary_test_accuracy": {"rounds": [10, 20], "values": [0.4, None]},
        "validation_accuracy": {"rounds": [10], "values": [0.3]},
        "client_loss": {"rounds": [1, 2], "values": [2.0, 1.0]},
    },
    "frozen_client": {"test_accuracy": {"rounds": [10], "values": [0.2]}},
}


def test_accuracy_curves_are_a_figure_that_plotly_accepts() -> None:
    figure = plotly.graph_objects.Figure(accuracy_curves(RUNS))
    assert [trace.name for trace in figure.data] == ["heron, server", "heron, auxiliary head", "frozen_client, server"]
    assert figure.data[0].x == (10, 20)
    assert figure.data[0].y == (0.5, 0.9)


def test_a_value_that_was_not_finite_leaves_a_gap() -> None:
    assert accuracy_curves(RUNS)["data"][1]["y"] == [0.4, None]


def test_both_lines_of_a_run_share_its_colour_and_other_runs_have_another() -> None:
    server, auxiliary, other = [trace["line"] for trace in accuracy_curves(RUNS)["data"]]
    assert server["color"] == auxiliary["color"] != other["color"]
    assert server["dash"] != auxiliary["dash"]


def test_the_split_decides_which_series_is_drawn() -> None:
    figure = accuracy_curves(RUNS, split="validation")
    assert [trace["y"] for trace in figure["data"]] == [[0.3]]
    assert figure["layout"]["yaxis"]["title"]["text"] == "validation accuracy"


def test_a_page_holds_the_data_and_plotly_itself_and_loads_nothing(tmp_path) -> None:
    page = tmp_path / "new" / "accuracy.html"
    write_html(accuracy_curves(RUNS), page)
    text = page.read_text(encoding="utf-8")
    assert "heron, auxiliary head" in text
    assert len(text) > 1_000_000, "plotly.js is not inside"
    assert re.findall(r"<(?:script|link)[^>]*\s(?:src|href)=", text) == []
    assert [path.name for path in page.parent.iterdir()] == ["accuracy.html"]


def test_a_figure_that_plotly_cannot_draw_is_refused_and_writes_nothing(tmp_path) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        write_html({"data": [{"type": "nonsense"}]}, tmp_path / "accuracy.html")
    assert list(tmp_path.iterdir()) == []


def test_figures_are_laid_out_without_torch_or_plotly() -> None:
    code = "import sys, heron_ray.figures; print(sorted({'torch', 'plotly', 'numpy'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

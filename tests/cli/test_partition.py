import json

import plotly.graph_objects
import pytest

from heron_ray.cli.main import main
from heron_ray.figures import partition_map

SPEC = "experiments/digits-heron.yaml"


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["partition", SPEC, *arguments])
    return ended.value.code, capsys.readouterr()


def test_who_holds_what_is_said_without_training(capsys) -> None:
    code, said = run(capsys, "--set", "partition={kind: pathological, classes: 3}", "--set", "clients.count=20")
    assert code == 0
    assert "3.00 on average" in said.out
    assert "samples held        1,077" in said.out


def test_the_report_is_that_of_a_run_and_its_figure_one_that_plotly_draws(capsys, tmp_path) -> None:
    code, said = run(capsys, "--json", "--figure", str(tmp_path / "map.html"))
    report = json.loads(said.out)
    assert code == 0
    assert report["clients"] == len(report["per_client"]) == 10
    figure = plotly.graph_objects.Figure(partition_map(report))
    assert [list(row) for row in figure.data[0].z] == report["per_client"]
    assert "mean total variation" in (tmp_path / "map.html").read_text(encoding="utf-8")


def test_a_partition_that_cannot_be_made_says_why(capsys) -> None:
    code, said = run(capsys, "--set", "partition={kind: dirichlet, alpha: 0.01, minimum: 100}")
    assert code == 1
    assert "no Dirichlet split found" in said.err

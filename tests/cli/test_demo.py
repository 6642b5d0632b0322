import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from api.domain.states import TERMINAL
from api.store import Store
from heron_ray.cli.comparison import comparison_table, write_accuracy_page
from heron_ray.cli.demo import SPECS
from heron_ray.client import Client, Experiment
from tests.cli.conftest import RESULT, SPEC


@pytest.fixture
def experiments(tmp_path: Path) -> Path:
    """The three specs of a demo, far too long to end during a test."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    for name in SPECS:
        (folder / name).write_text(yaml.safe_dump({**SPEC, "name": name.removesuffix(".yaml"), "rounds": 100_000_000}))
    return folder


def test_specs_that_are_not_there_are_named_before_anything_starts(heron, tmp_path, experiments) -> None:
    (experiments / SPECS[1]).unlink()
    outcome = heron("demo", "--experiments", experiments, "--state-dir", tmp_path / "state", "--json")
    assert outcome.code == 2
    assert SPECS[1] in outcome.object["error"]["message"]
    assert SPECS[0] not in outcome.object["error"]["message"]
    assert not (tmp_path / "state").exists()


def test_experiments_that_cannot_be_told_apart_are_refused(heron, tmp_path, experiments) -> None:
    outcome = heron("demo", "--experiments", experiments, "--state-dir", tmp_path / "state", "--set", "name=same")
    assert outcome.code == 2
    assert "different names" in outcome.stderr


def test_a_service_that_cannot_start_says_why(heron, tmp_path, experiments) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "heron.db").write_text("this is no database, and long enough to be told from an empty one")
    outcome = heron("demo", "--experiments", experiments, "--state-dir", state, "--json")
    assert outcome.code == 1
    assert "the service did not start" in outcome.object["error"]["message"]
    assert "heron.db" in outcome.object["error"]["message"]


@pytest.mark.soak
def test_ctrl_c_ends_the_experiments_and_everything_the_demo_started(tmp_path, experiments) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-m", "heron_ray.cli", "demo", "--json"]
    command += ["--experiments", str(experiments), "--state-dir", str(state)]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert demo.stderr is not None
    while "STARTING" not in (line := demo.stderr.readline()):
        assert line, "the demo ended before an experiment was started"
    service = json.loads((state / "service.json").read_text())
    demo.send_signal(signal.SIGINT)
    stdout, stderr = demo.communicate(timeout=120)
    assert demo.returncode == 130
    assert json.loads(stdout)["error"]["code"] == "interrupted"
    assert "Traceback" not in stderr
    assert processes_marked(service["mark"]) == []
    assert not psutil.pid_exists(service["pids"]["supervisor"])
    store = Store.open(service["database"])
    states = [record.state for record in store.list(limit=10)]
    store.close()
    assert len(states) == 3
    assert all(state in TERMINAL or state == "CANCELLING" for state in states)


def processes_marked(mark: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path("/proc", pid, "environ").read_bytes():
                found.append(int(pid))
        except OSError:
            continue
    return found


def test_the_table_has_a_column_per_experiment_and_a_row_per_figure() -> None:
    ended = [Experiment.model_construct(name=name, result=RESULT) for name in ("first", "[second]")]
    table = comparison_table(ended)
    cells = [list(column.cells) for column in table.columns]
    assert [str(column.header) for column in table.columns] == ["", "first", "\\[second]"]
    assert dict(zip(cells[0], cells[1], strict=True)) == {
        "test accuracy": "50.00 %",
        "auxiliary accuracy": "25.00 %",
        "rounds": "3",
        "client peak memory": "2.0 KiB",
        "client MACs per step": "1,000",
        "sent up": "4.0 KiB",
        "sent down": "1.0 KiB",
        "wall seconds": "1.5",
    }


def test_the_figure_draws_the_curves_the_service_gives(service, store, dispatcher, tmp_path) -> None:
    from heron_ray.spec import parse_spec

    id = store.submit(parse_spec(SPEC)).id
    attempt = dispatcher.claim()
    dispatcher.finish_round(attempt, 1, 3)
    with Client(service.url) as client:
        write_accuracy_page({"tiny": client.series(id)}, tmp_path / "accuracy.html")
    text = (tmp_path / "accuracy.html").read_text()
    assert "tiny, server" in text
    assert '"y":[0.1]' in text

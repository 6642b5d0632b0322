"""Trackers beside the real programs: TensorBoard's own reader, and MLflow's store in a folder."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow.entities import Run as MLflowRun
from mlflow.tracking import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from heron_ray.errors import MissingToolError, SinkError
from heron_ray.reports import Record
from heron_ray.simulation import Checkpointer, LocalExecutor, RunResult, Simulation, Tee
from heron_ray.simulation.events import RoundFinished
from heron_ray.trackers import Run, TrackerSink, tell
from heron_ray.trackers.mlflow import MLflow
from heron_ray.trackers.tensorboard import TensorBoard
from heron_ray.trackers.wandb import WeightsAndBiases
from tests.trackers.conftest import SPEC, Points

RUN = Run(name=SPEC.name, key=SPEC.trajectory_hash(), spec=SPEC.canonical())


@pytest.fixture(autouse=True)
def _mlflow_may_use_folders(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def read_tensorboard(folder: Path) -> Points:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(point.step, point.value) for point in accumulator.Scalars(tag)] for tag in tags}


def read_mlflow(uri: str) -> list[tuple[MLflowRun, Points]]:
    """Every run with its points, the newest first."""
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("heron-ray")
    found = []
    for run in client.search_runs([experiment.experiment_id]):
        histories = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        found.append((run, {name: [(p.step, p.value) for p in history] for name, history in histories.items()}))
    return found


class KilledError(Exception):
    """Stands for a process that ends in the middle of a round's telling."""


class KillAfter:
    def __init__(self, round: int) -> None:
        self._round = round

    def emit(self, event) -> None:
        if isinstance(event, RoundFinished) and event.round == self._round:
            raise KilledError


def run_told(tracker, folder: Path, *, kill_after: int | None = None) -> RunResult:
    sinks = [KillAfter(kill_after)] if kill_after is not None else []
    with LocalExecutor() as executor, TrackerSink(tracker) as told:
        sink = Tee(told, *sinks)
        return Simulation(SPEC, executor, sink=sink, checkpointer=Checkpointer(folder), resume=True).run()


def as_float32(points: Points) -> Points:
    return {name: [(step, float(np.float32(value))) for step, value in curve] for name, curve in points.items()}


def test_tensorboard_reads_every_point_and_the_digest_is_that_without_it(undisturbed, tmp_path) -> None:
    tracker = TensorBoard(tmp_path / "board", RUN)
    result = run_told(tracker, tmp_path / "kept")
    assert result.trajectory_digest == undisturbed[0].trajectory_digest
    assert read_tensorboard(tracker.folder) == as_float32(undisturbed[1])
    assert tracker.folder.parent == tmp_path / "board"
    accumulator = EventAccumulator(str(tracker.folder))
    accumulator.Reload()
    assert b"kind: heron" in accumulator.Tensors("spec")[0].tensor_proto.string_val[0]


def test_tensorboard_has_no_point_twice_after_a_resume_from_an_earlier_round(undisturbed, tmp_path) -> None:
    with pytest.raises(KilledError):
        run_told(TensorBoard(tmp_path / "board", RUN), tmp_path / "kept", kill_after=3)
    # The checkpoint after round 2 was written; round 3 was told and is run again.
    again = TensorBoard(tmp_path / "board", RUN)
    assert len(read_tensorboard(again.folder)["server_loss"]) == 3
    result = run_told(again, tmp_path / "kept")
    assert result.trajectory_digest == undisturbed[0].trajectory_digest
    assert read_tensorboard(again.folder) == as_float32(undisturbed[1])


def test_a_record_torn_by_a_kill_is_told_again(undisturbed, tmp_path) -> None:
    tracker = TensorBoard(tmp_path / "board", RUN)
    with pytest.raises(KilledError):
        run_told(tracker, tmp_path / "kept", kill_after=3)
    (file,) = tracker.folder.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    run_told(TensorBoard(tmp_path / "board", RUN), tmp_path / "kept")
    assert read_tensorboard(tracker.folder) == as_float32(undisturbed[1])


def test_tensorboard_forgets_a_run_that_begins_anew_and_no_other(undisturbed, tmp_path) -> None:
    with pytest.raises(KilledError):
        run_told(TensorBoard(tmp_path, RUN), tmp_path / "kept", kill_after=2)
    other = TensorBoard(tmp_path, Run(name="other", key="f" * 64, spec={}))
    other.begin(anew=True)
    other.add(7, {"loss": 1.0, "bad": float("nan"), "none": None})
    other.end("SUCCEEDED", {})
    tracker = TensorBoard(tmp_path, RUN)
    run_told(tracker, tmp_path / "elsewhere")
    assert read_tensorboard(tracker.folder) == as_float32(undisturbed[1])
    assert read_tensorboard(other.folder) == {"loss": [(7, 1.0)]}


def test_mlflow_reads_every_point_the_spec_and_the_digest(undisturbed, tmp_path) -> None:
    uri = f"file:{tmp_path}/mlflow"
    result = run_told(MLflow(uri, RUN), tmp_path / "kept")
    assert result.trajectory_digest == undisturbed[0].trajectory_digest
    ((run, points),) = read_mlflow(uri)
    assert points == undisturbed[1]
    assert run.info.status == "FINISHED"
    assert run.data.params["method.zeroth_order.probes"] == "2"
    assert run.data.tags["heron_ray.trajectory_digest"] == result.trajectory_digest


def test_mlflow_has_no_point_twice_after_a_resume_from_an_earlier_round(undisturbed, tmp_path) -> None:
    uri = f"file:{tmp_path}/mlflow"
    with pytest.raises(KilledError):
        run_told(MLflow(uri, RUN), tmp_path / "kept", kill_after=3)
    ((broken, _),) = read_mlflow(uri)
    assert broken.info.status == "FAILED"
    run_told(MLflow(uri, RUN), tmp_path / "kept")
    ((run, points),) = read_mlflow(uri)
    assert points == undisturbed[1]
    assert run.info.status == "FINISHED"


def test_a_run_told_afterwards_and_again_is_the_same_run_with_each_point_once(tmp_path) -> None:
    curve = {"rounds": [1, 2], "values": [0.5, None]}
    record = Record(origin="0f3a", name="tiny", state="RUNNING", series={"loss": curve})
    later = Record(
        origin="0f3a", name="tiny", state="SUCCEEDED", series={"loss": {"rounds": [1, 2, 3], "values": [0.5, None, 2.0]}}
    )
    run = Run(name="tiny", key="0f3a", spec={})
    uri = f"file:{tmp_path}/mlflow"
    for known in (record, later, later):
        tell(MLflow(uri, run), known)
        tell(TensorBoard(tmp_path, run), known)
    ((told, points),) = read_mlflow(uri)
    assert points == {"loss": [(1, 0.5), (3, 2.0)]}
    assert told.info.status == "FINISHED"
    assert read_tensorboard(tmp_path / "tiny-0f3a") == points


def test_a_server_that_does_not_answer_is_told_without_its_password(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(SinkError, match="did not take") as caught:
        MLflow("http://me:secret@127.0.0.1:9", RUN).begin(anew=True)
    assert "http://***@127.0.0.1:9" in caught.value.message
    assert "secret" not in caught.value.message


def read_wandb(file: Path) -> tuple[dict, Points, dict]:
    """Configuration, points and summary of an offline run: a log of LevelDB's form, whose records are wandb's own messages."""
    from wandb.proto.wandb_internal_pb2 import Record as WandbRecord

    data, place, pieces, records = file.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if (left := -place % 32768) and left < 7:
            place += left
        _, length, part = struct.unpack_from("<IHB", data, place)
        pieces += data[place + 7 : place + 7 + length]
        place += 7 + length
        if part in (1, 4):  # whole, or the last piece
            records.append(WandbRecord.FromString(pieces))
            pieces = b""
    config: dict = {}
    points: Points = {}
    summary: dict = {}
    for record in records:
        config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        summary |= {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.summary.update}
        for item in record.history.item:
            name = item.key or item.nested_key[0]
            if not name.startswith("_"):
                points.setdefault(name, []).append((record.history.step.num, json.loads(item.value_json)))
    return config, points, summary


def test_an_offline_run_of_wandb_has_every_point_once_however_often_it_is_told(undisturbed, tmp_path) -> None:
    result, points = undisturbed
    series = {
        name: {"rounds": [round for round, _ in curve], "values": [value for _, value in curve]}
        for name, curve in points.items()
    }
    record = Record(
        origin="x", name=SPEC.name, state="SUCCEEDED", series=series, spec=SPEC.canonical(), result=result.to_dict()
    )
    for _ in range(2):
        tell(WeightsAndBiases(tmp_path / "out", RUN), record)
    (file,) = (tmp_path / "out").glob("wandb/offline-run-*/*.wandb")
    config, told, summary = read_wandb(file)
    assert told == points
    assert config["method.kind"] == SPEC.method.kind
    assert summary["heron_ray.trajectory_digest"] == result.trajectory_digest


@pytest.mark.parametrize(
    ("package", "use"),
    [
        ("tensorboard", "TensorBoard(Path('x'), run)"),
        ("mlflow", "MLflow('x', run)"),
        ("wandb", "WeightsAndBiases(Path('x'), run)"),
    ],
)
def test_without_its_package_a_tracker_names_the_extra(package, use) -> None:
    code = (
        f"import sys; sys.modules['{package}'] = None\n"
        "from pathlib import Path\n"
        "from heron_ray.trackers import Run\n"
        "from heron_ray.trackers.mlflow import MLflow\n"
        "from heron_ray.trackers.tensorboard import TensorBoard\n"
        "from heron_ray.trackers.wandb import WeightsAndBiases\n"
        "run = Run(name='a', key='b', spec={})\n"
        "try:\n"
        f"    {use}\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error.hint)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == f"{MissingToolError.__name__} install it: pip install 'heron-ray[{package}]'"

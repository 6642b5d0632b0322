import contextlib
import csv
import io

import pyarrow.parquet as pq
import pytest

from heron_ray.cli.main import main
from heron_ray.spec import parse_spec
from tests.cli.conftest import SPEC


@pytest.fixture
def id(service, store, dispatcher):
    """An experiment with two rounds."""
    id = store.submit(parse_spec(SPEC)).id
    attempt = dispatcher.claim()
    for round in (1, 2):
        dispatcher.finish_round(attempt, round, 3)
    return id


def test_a_file_is_written_whole_and_told_of(heron, id, tmp_path) -> None:
    outcome = heron("export", id, "-o", tmp_path / "points.csv", "--json")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "points.csv").read_text())))
    assert outcome.code == 0
    assert outcome.object["bytes"] == (tmp_path / "points.csv").stat().st_size
    assert {row["experiment"] for row in rows} == {id}
    assert {row["round"] for row in rows} == {"1", "2"}


def test_parquet_is_written_on_request(heron, id, tmp_path) -> None:
    assert heron("export", id, "--format", "parquet", "-o", tmp_path / "points.parquet").code == 0
    assert set(pq.read_table(tmp_path / "points.parquet")["round"].to_pylist()) == {1, 2}


def test_an_export_that_fails_leaves_the_file_that_was_there(heron, id, tmp_path) -> None:
    file = tmp_path / "points.csv"
    file.write_text("kept")
    outcome = heron("export", id, "nobody", "-o", file)
    assert outcome.code == 3
    assert "nobody" in outcome.stderr
    assert file.read_text() == "kept"
    assert list(tmp_path.glob(".points*")) == []


def test_a_file_that_cannot_be_written_is_bad_usage(heron, id, tmp_path) -> None:
    outcome = heron("export", id, "-o", tmp_path / "nowhere" / "points.csv")
    assert outcome.code == 2
    assert "cannot write" in outcome.stderr


def test_stdout_takes_csv_alone(heron, id) -> None:
    assert heron("export", id, "--format", "parquet", "-o", "-").code == 2


def test_csv_goes_to_stdout_as_it_comes(id) -> None:
    stdout = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(stdout)) as text, pytest.raises(SystemExit) as ended:
        main(["export", id, "-o", "-"])
    text.detach()
    assert ended.value.code == 0
    assert stdout.getvalue().startswith(b"experiment,series,round,value\r\n" + id.encode())

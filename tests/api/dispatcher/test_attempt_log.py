from __future__ import annotations

import logging
from pathlib import Path

from api.dispatcher.attempt_log import AttemptLog, LoggedEvents
from heron_ray.simulation.events import CheckpointRejected, RoundFinished, Started

LOG = logging.getLogger("heron_ray.test")


def test_what_is_logged_inside_is_kept_and_nothing_else(tmp_path):
    path = tmp_path / "attempt-1" / "driver.log"
    LOG.info("before")
    with AttemptLog(path):
        LOG.info("inside")
        logging.getLogger("stranger").warning("also inside")
        LOG.debug("too small a matter")
    LOG.warning("after")
    lines = path.read_text().splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["inside", "also inside"]


def test_an_error_is_kept_with_its_traceback(tmp_path):
    with AttemptLog(tmp_path / "driver.log"):
        try:
            raise ValueError("of this kind")
        except ValueError:
            LOG.exception("it failed")
    text = (tmp_path / "driver.log").read_text()
    assert "Traceback" in text
    assert text.endswith("ValueError: of this kind\n")


def test_events_that_explain_how_a_run_went_are_logged_and_rounds_are_not(tmp_path):
    with AttemptLog(tmp_path / "driver.log"):
        sink = LoggedEvents()
        sink.emit(Started(rounds=9, after_round=4, partition={}))
        sink.emit(RoundFinished(round=5, rounds=9, metrics={}))
        sink.emit(CheckpointRejected(path="round-00000004", message="its digest is wrong"))
    lines = (tmp_path / "driver.log").read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("the run starts after round 4 of 9")
    assert "WARNING" in lines[1]
    assert lines[1].endswith("checkpoint round-00000004 is not used: its digest is wrong")


def test_a_log_stops_at_its_bound_with_a_notice(tmp_path):
    path = tmp_path / "driver.log"
    for _ in range(2):
        with AttemptLog(path, max_bytes=5000):
            for number in range(200):
                LOG.info("line %d", number)
    text = path.read_text()
    assert 4000 < len(text) < 5200
    assert "line 0" in text
    assert text.endswith("nothing more of this attempt is kept)\n")
    assert text.count("nothing more") == 1


def test_no_secret_gets_into_a_log(tmp_path):
    environment = {"RAY_AUTH_TOKEN": "tok3n-tok3n", "HERON_DATABASE": "postgresql://u:pw@host/db", "HOME": "/home/someone"}
    with AttemptLog(tmp_path / "driver.log", environment=environment):
        LOG.info("token tok3n-tok3n at postgresql://u:pw@host/db in /home/someone")
        LOG.warning("no answer from postgresql+psycopg://heron:hunter2@other/db")
    text = (tmp_path / "driver.log").read_text()
    assert not any(secret in text for secret in ("tok3n", "pw@", "hunter2"))
    assert "/home/someone" in text
    assert "heron:***@other/db" in text


def test_a_log_that_cannot_be_written_fails_nobody():
    with AttemptLog(Path("/proc/nowhere/driver.log")):
        LOG.info("still here")

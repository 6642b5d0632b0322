"""Check: silent about a sound database, and names whatever was broken in one, by experiment."""

from __future__ import annotations

import re
import sqlite3

import pytest
from sqlalchemy import text

from api.store.engine import open_engine, writer
from api.store.migrate import upgrade_to
from api.store.upkeep import check
from heron_ray.errors import DatabaseError

# What is done to the database: the rule that must notice, and words of the sentence.
BREAKS = {
    "UPDATE experiment SET state = 'LOST' WHERE state = 'CANCELLED'": ("state", "LOST is no state"),
    "UPDATE attempt SET ended_at = CURRENT_TIMESTAMP WHERE ended_at IS NULL": ("living_attempts", "0 living attempts"),
    "UPDATE attempt SET ended_at = NULL WHERE exit_reason = 'succeeded'": ("living_attempts", "its attempt 1 has not ended"),
    "DELETE FROM attempt WHERE exit_reason = 'driver_lost'": ("attempt_numbers", "there are 1"),
    "DELETE FROM event WHERE id = 4": ("event_numbers", "must be numbered 1 to"),
    "UPDATE experiment SET events = events + 1 WHERE state = 'SUCCEEDED'": ("event_numbers", "there are 7, numbered 1 to 7"),
    "DELETE FROM event": ("event_numbers", "there are 0"),
    "UPDATE experiment SET state = 'FAILED' WHERE state = 'SUCCEEDED'": ("state_event", "it is FAILED, but .* tells SUCCEEDED"),
    "DELETE FROM event WHERE kind = 'state'": ("state_event", "tells nothing"),
    "DELETE FROM point WHERE round = 3": ("points", "its points end at round 2"),
    "DELETE FROM point": ("points", "its points end at round 0"),
    "UPDATE experiment SET result = NULL": ("result", "without a result"),
    "DELETE FROM sweep": ("orphans", "a trial of sweep .*, which is not there"),
    "DROP INDEX ix_attempt_living": ("schema", "add_index ix_attempt_living"),
    "DROP TABLE artifact": ("schema", "add_table artifact"),
    "ALTER TABLE experiment DROP COLUMN waiting": ("schema", "add_column .*waiting"),
    "CREATE TABLE photo (id INTEGER)": ("schema", "remove_table photo"),
}


def execute(url, *statements):
    engine = open_engine(url)
    with writer(engine).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_sound_database_has_no_fault(filled):
    assert check(filled) == []


@pytest.mark.parametrize("broken", BREAKS)
def test_whatever_is_broken_is_named(filled, broken):
    execute(filled, broken)
    rule, message = BREAKS[broken]
    found = [fault for fault in check(filled) if fault.rule == rule]
    assert any(re.search(message, fault.message) for fault in found), found


def test_a_fault_names_its_experiment(filled, store):
    (succeeded,) = store.list(limit=9, states=["SUCCEEDED"])
    execute(filled, "UPDATE experiment SET result = NULL")
    (fault,) = check(filled)
    assert (fault.experiment, fault.rule) == (succeeded.id, "result")


def test_rows_without_their_experiment_are_found_on_either_database(filled):
    number = "(SELECT min(number) FROM experiment)"
    if filled.startswith("sqlite"):
        connection = sqlite3.connect(filled.removeprefix("sqlite:///"))
        connection.execute("DELETE FROM experiment WHERE number = 1")
        connection.commit()
        connection.close()
    else:
        execute(filled, "SET session_replication_role = replica", f"DELETE FROM experiment WHERE number = {number}")
    tables = {fault.message.split()[3] for fault in check(filled) if fault.rule == "orphans"}
    assert tables == {"experiment_tag", "attempt", "event", "point", "artifact"}


def test_a_damaged_file_is_a_fault_and_no_traceback(sqlite_store, tmp_path, make_spec):
    for _ in range(200):
        sqlite_store.submit(make_spec())
    sqlite_store.close()
    path = tmp_path / "heron.db"
    data = bytearray(path.read_bytes())
    half = len(data) // 2 // 4096 * 4096
    data[half : half + 8 * 4096] = b"\xff" * 8 * 4096
    path.write_bytes(data)
    assert {fault.rule for fault in check(f"sqlite:///{path}")} == {"integrity"}


def test_an_older_schema_is_to_be_upgraded_first_and_is_left_alone(database_url, rows_of):
    engine = open_engine(database_url)
    with writer(engine).begin() as connection:
        upgrade_to(connection, "0001")
    engine.dispose()
    with pytest.raises(DatabaseError, match=r"has schema 0001.*heron db upgrade"):
        check(database_url)
    assert "sweep" not in rows_of(database_url)


def test_a_check_writes_nothing(sqlite_store, tmp_path, make_spec):
    sqlite_store.submit(make_spec())
    sqlite_store.close()
    before = (tmp_path / "heron.db").read_bytes()
    check(f"sqlite:///{tmp_path}/heron.db")
    assert (tmp_path / "heron.db").read_bytes() == before

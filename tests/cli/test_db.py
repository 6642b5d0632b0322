import sqlite3

from heron_ray.spec import parse_spec
from tests.cli.conftest import SPEC


def test_a_backup_is_taken_restored_and_checked_from_the_command_line(heron, store, tmp_path) -> None:
    store.submit(parse_spec(SPEC))
    assert heron("db", "backup", tmp_path / "b.zip", "--state-dir", tmp_path, "--json").object["rows"]["experiment"] == 1
    second = ["--database", f"sqlite:///{tmp_path}/second.db"]
    assert heron("db", "restore", tmp_path / "b.zip", *second, "--json").object["rows"]["event"] == 1
    assert heron("db", "check", *second).stdout == "no fault found\n"
    assert heron("db", "restore", tmp_path / "b.zip", *second).code == 4
    assert "is the newest" in heron("db", "upgrade", *second).stdout


def test_a_fault_is_printed_with_its_experiment_and_exits_with_1(heron, store, tmp_path) -> None:
    id = store.submit(parse_spec(SPEC)).id
    connection = sqlite3.connect(tmp_path / "heron.db")
    connection.execute("UPDATE experiment SET events = 5")
    connection.commit()
    connection.close()
    outcome = heron("db", "check", "--state-dir", tmp_path)
    assert outcome.code == 1
    assert outcome.stdout.splitlines()[1].split()[:2] == [id, "event_numbers"]
    (fault,) = heron("db", "check", "--state-dir", tmp_path, "--json").object["faults"]
    assert (fault["experiment"], fault["rule"]) == (id, "event_numbers")

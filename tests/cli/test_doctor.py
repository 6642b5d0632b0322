import importlib.util
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from api.supervisor.processes import find_marked, marked_environment
from api.supervisor.state_directory import StateDirectory

WAIT = "import time; time.sleep(600)"


@pytest.fixture
def doctor(heron, tmp_path):
    """The findings of `heron doctor --json` by name; the last call's exit code and text are beside them."""

    def call(*arguments: str) -> dict[str, dict[str, str]]:
        outcome = heron("doctor", "--state-dir", tmp_path / "state", "--json", *arguments)
        call.code, call.status = outcome.code, outcome.object["status"]
        return {finding["name"]: finding for finding in outcome.object["findings"]}

    return call


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("HERON_DATA_DIR", raising=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_a_machine_that_can_run_the_service_fails_in_nothing(doctor):
    findings = doctor("--port", str(free_port()))
    assert doctor.code == 0
    assert [finding["message"] for finding in findings.values() if finding["status"] == "fail"] == []
    assert {"python", "torch", "ray", "cuda", "open files", "state directory", "shared memory", "port"} <= set(findings)
    assert findings["port"]["status"] == "ok"


def test_every_warning_and_failure_says_the_way_out(doctor, monkeypatch):
    monkeypatch.setenv("HERON_DATA_DIR", "/no/such/folder")
    findings = doctor()
    assert [name for name, finding in findings.items() if (finding["hint"] is None) != (finding["status"] == "ok")] == []


def test_torch_that_every_process_would_compile_is_a_warning(doctor, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    finding = doctor()["byte code"]
    assert finding["status"] == "warn"
    assert "compileall" in finding["hint"]
    compiled = Path(importlib.util.cache_from_source(importlib.util.find_spec("torch").origin))
    compiled.parent.mkdir(parents=True)
    compiled.touch()
    assert doctor()["byte code"]["status"] == "ok"


def test_a_data_folder_that_is_not_there_fails_with_exit_code_1(doctor, monkeypatch):
    monkeypatch.setenv("HERON_DATA_DIR", "/no/such/folder")
    finding = doctor()["HERON_DATA_DIR"]
    assert (doctor.code, doctor.status, finding["status"]) == (1, "fail", "fail")
    assert "/no/such/folder" in finding["message"]


def test_a_state_directory_below_a_file_fails_and_is_named(doctor, tmp_path):
    (tmp_path / "file").touch()
    finding = doctor("--state-dir", str(tmp_path / "file" / "state"))["state directory"]
    assert finding["status"] == "fail"
    assert str(tmp_path / "file") in finding["message"]
    assert "--state-dir" in finding["hint"]


def test_a_port_in_use_is_a_warning_that_names_it(doctor):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        finding = doctor("--port", port)["port"]
    assert finding["status"] == "warn"
    assert port in finding["message"]
    assert "--port" in finding["hint"]


@pytest.mark.parametrize(("soft", "status"), [(512, "fail"), (2048, "warn"), (8192, "ok")])
def test_a_low_limit_on_open_files_is_judged_by_how_low_it_is(soft, status):
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {soft}))\n"
        "from heron_ray.cli.machine import look_at_open_files\n"
        "print(look_at_open_files().status)"
    )
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < soft:
        pytest.skip(f"this machine allows fewer than {soft} open files")
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == status


def test_a_ray_address_where_nothing_answers_fails(doctor, monkeypatch):
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    finding = doctor()["RAY_ADDRESS"]
    assert finding["status"] == "fail"
    assert address in finding["message"]


@pytest.mark.parametrize("address", ["auto", "ray://10.0.0.1:10001", "10.0.0.1"])
def test_a_ray_address_that_is_none_fails_with_the_form_it_takes(doctor, monkeypatch, address):
    monkeypatch.setenv("RAY_ADDRESS", address)
    finding = doctor()["RAY_ADDRESS"]
    assert finding["status"] == "fail"
    assert "host:port" in finding["hint"]


def test_a_ray_address_that_answers_is_fine(doctor, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as there:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{there.getsockname()[1]}")
        assert doctor()["RAY_ADDRESS"]["status"] == "ok"


def test_a_service_that_was_killed_is_found_by_its_service_file(doctor, tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    directory = StateDirectory(tmp_path / "state")
    with directory.lock():
        directory.write_service({"url": "http://127.0.0.1:1", "mark": "m", "pids": {"supervisor": ended.pid}})
    finding = doctor()["service"]
    assert finding["status"] == "warn"
    assert "heron serve --state-dir" in finding["hint"]
    directory.write_service({"url": "http://127.0.0.1:1", "mark": "m", "pids": {"supervisor": os.getpid()}})
    assert doctor()["service"]["status"] == "ok"


def test_processes_are_left_over_once_their_service_has_no_guardian(doctor):
    mark = "mark-of-the-doctors-test"
    command = [sys.executable, "-m", "api.supervisor.guardian", mark]
    with (
        subprocess.Popen([sys.executable, "-c", WAIT], env=marked_environment(mark, "ray", {})) as member,
        subprocess.Popen(command, stdin=subprocess.PIPE) as guardian,
    ):
        while not find_marked(mark):
            assert member.poll() is None
        assert str(member.pid) not in doctor()["leftover processes"]["message"].split()
        guardian.kill()
        guardian.wait()
        finding = doctor()["leftover processes"]
        member.send_signal(signal.SIGKILL)
    assert finding["status"] == "warn"
    assert str(member.pid) in finding["message"].split()
    assert str(member.pid) in finding["hint"].split()


def test_a_folder_of_a_ray_is_left_over_once_no_process_uses_it(doctor, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / "heron-abc"
    (folder / "session_1").mkdir(parents=True)
    (tmp_path / "heron-of-another-kind").mkdir()
    with subprocess.Popen([sys.executable, "-c", WAIT, f"--temp-dir={folder}"]) as user:
        while str(folder) not in " ".join(psutil.Process(user.pid).cmdline()):
            assert user.poll() is None
        assert str(folder) not in (doctor()["leftover folders"]["hint"] or "")
        user.kill()
    finding = doctor()["leftover folders"]
    assert finding["status"] == "warn"
    assert str(folder) in finding["hint"].split()
    assert "another-kind" not in finding["hint"]


def test_for_people_each_finding_is_a_line_with_its_way_out_below(heron, tmp_path, monkeypatch):
    monkeypatch.setenv("HERON_DATA_DIR", "/no/such/folder")
    outcome = heron("doctor", "--state-dir", tmp_path)
    lines = outcome.stdout.splitlines()
    number = next(number for number, line in enumerate(lines) if line.startswith("fail  HERON_DATA_DIR"))
    assert lines[number + 1].strip().startswith("set it to the folder")
    assert any(line.startswith("ok    python") for line in lines)
    assert outcome.code == 1


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="ports of outgoing connections are told by Linux only")
def test_the_range_of_outgoing_ports_is_shown(doctor):
    assert "outgoing connections get" in doctor()["port range"]["message"]


def test_ray_is_started_on_request_and_nothing_of_it_is_left(doctor, tmp_path, monkeypatch):
    # Short, because Ray puts sockets below it.
    with tempfile.TemporaryDirectory(prefix="doc", dir="/tmp") as directory:
        monkeypatch.setattr("tempfile.tempdir", directory)
        findings = doctor("--ray")
        assert findings["ray start"]["status"] == "ok"
        assert os.listdir(directory) == []
        arguments = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
        assert [line for line in arguments if directory in line] == []

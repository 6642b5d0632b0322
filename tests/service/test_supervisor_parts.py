import json
import socket
import subprocess
import sys

import psutil
import pytest

from api.dispatcher.outcome import Outcome
from api.domain.policy import Policy
from api.domain.states import State
from api.supervisor.child import Child
from api.supervisor.listener import listen, url_of
from api.supervisor.processes import find_marked, kill_marked, marked_environment
from api.supervisor.settings import AccessSettings
from api.supervisor.state_directory import StateDirectory
from heron_ray.errors import ConflictError, DivergedError, ExhaustedMemoryError, ListenError, LostActorError, ServiceError

WAIT = "import time; time.sleep(600)"
# Starts a child and dies: the child has no living ancestor of ours.
ORPHAN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WAIT!r}], start_new_session=True)"


def test_every_descendant_with_the_mark_is_ended_and_no_other_process(until):
    subprocess.run([sys.executable, "-c", ORPHAN], env=marked_environment("mark-a", "ray", {}), check=True)
    with subprocess.Popen([sys.executable, "-c", WAIT], env=marked_environment("mark-b", "ray", {})) as other:
        until(lambda: len(find_marked("mark-a")) == 1, "the orphan")
        until(lambda: len(find_marked("mark-b")) == 1, "the other")
        assert find_marked("mark-a", "api") == []
        assert kill_marked("mark-a") == 0
        assert find_marked("mark-a") == []
        assert other.poll() is None
        other.kill()


def test_the_guardian_ends_a_service_whose_supervisor_is_gone(until):
    command = [sys.executable, "-m", "api.supervisor.guardian", "mark-c"]
    with (
        subprocess.Popen([sys.executable, "-c", WAIT], env=marked_environment("mark-c", "api", {})) as member,
        subprocess.Popen(command, stdin=subprocess.PIPE) as guardian,
    ):
        until(lambda: find_marked("mark-c"), "the member")
        assert guardian.poll() is None
        guardian.stdin.close()
        assert member.wait(timeout=60) == -9
        assert guardian.wait(timeout=60) == 0


def test_a_child_that_dies_again_and_again_is_started_with_growing_pauses(tmp_path, until):
    child = Child("part", mark="mark-d", log=tmp_path / "part.log")
    child.start(["no_such_module"], {})
    until(child.has_died, "its death")
    assert child.pid is None
    assert not child.is_due()
    until(child.is_due, "the next start")
    child.start(["no_such_module"], {})
    until(child.has_died, "its second death")
    assert child.failures == 2
    assert "no_such_module" in (tmp_path / "part.log").read_text()


def test_a_child_that_ignores_a_request_to_end_is_killed(tmp_path, until):
    child = Child("part", mark="mark-e", log=tmp_path / "part.log")
    child.start(["http.server", "0", "--bind", "127.0.0.1"], {})
    process = psutil.Process(child.pid)
    child.end(within_s=0)
    assert not process.is_running()


def test_a_state_directory_has_one_owner_who_is_named_to_the_next(tmp_path):
    directory = StateDirectory(tmp_path / "state")
    with directory.lock():
        directory.write_service({"url": "http://127.0.0.1:1"})
        with pytest.raises(ConflictError, match=r"http://127\.0\.0\.1:1"), StateDirectory(tmp_path / "state").lock():
            pass
    with directory.lock():
        assert directory.identity() == StateDirectory(tmp_path / "state").identity()


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match=r"state directory .*file/state"), StateDirectory(tmp_path / "file" / "state").lock():
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_a_host_that_others_can_reach_is_refused(host):
    with pytest.raises(ListenError, match="refusing") as refused:
        listen(host, 0)
    assert "heron key create" in (refused.value.hint or "")


@pytest.mark.parametrize(("host", "address"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])
def test_with_keys_every_address_may_be_listened_on_and_the_url_is_this_machines(host, address):
    with listen(host, 0, has_keys=lambda: True) as listener:
        assert url_of(listener) == f"http://{address}:{listener.getsockname()[1]}"


def test_what_the_api_is_told_of_its_callers_fits_its_command_line():
    policy = Policy(max_rounds=7, devices=("cpu",))
    arguments = AccessSettings(require_key=True, rate_limit=5.0, policy=policy).arguments()
    assert arguments[:2] == ["--require-key", "--rate-limit=5.0"]
    assert Policy.model_validate_json(arguments[2].removeprefix("--policy=")) == policy


def test_a_port_in_use_is_named_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"port {port} .* in use .*--port 0"):
            listen("127.0.0.1", port)


def test_a_free_port_is_found_and_named():
    with listen("localhost", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert url_of(listener).endswith(f":{port}")


@pytest.mark.parametrize(
    ("error", "state", "reason", "clean"),
    [
        (DivergedError("a loss is not finite", round=3), State.FAILED, "diverged", True),
        (ExhaustedMemoryError("too big"), State.FAILED, "out_of_memory", False),
        (MemoryError(), State.FAILED, "out_of_memory", False),
        (LostActorError("gone"), State.INTERRUPTED, "actor_lost", False),
        (ZeroDivisionError("division by zero"), State.FAILED, "internal_error", False),
    ],
)
def test_an_error_tells_whose_fault_it_was(error, state, reason, clean):
    outcome = Outcome.of_error(error)
    assert (outcome.state, outcome.reason, outcome.clean) == (state, reason, clean)
    assert outcome.message


def test_prometheus_is_told_who_answers_and_nobody_once_the_service_has_ended(tmp_path):
    directory = StateDirectory(tmp_path)
    directory.write_targets({"heron-ray": "127.0.0.1:8000", "ray": "127.0.0.1:20001"})
    file = tmp_path / "prometheus.json"
    assert json.loads(file.read_text()) == [
        {"targets": ["127.0.0.1:8000"], "labels": {"job": "heron-ray"}},
        {"targets": ["127.0.0.1:20001"], "labels": {"job": "ray"}},
    ]
    directory.remove_service()
    assert not file.exists()

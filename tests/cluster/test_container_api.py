import socket
import subprocess
import sys

import pytest


def container_api(*arguments, database="sqlite://"):
    environment = {"PATH": "/usr/bin:/bin"} | ({"HERON_DATABASE": database} if database else {})
    command = [sys.executable, "-m", "api.supervisor.container_api", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_an_address_that_others_can_reach_needs_a_network_declared_private(host):
    refused = container_api(f"--host={host}", "--port=0")
    assert refused.returncode == 2
    assert "refusing to listen" in refused.stderr


def test_a_port_in_use_is_named_even_on_a_private_network():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = container_api(f"--port={port}", "--private-network")
    assert refused.returncode == 2
    assert str(port) in refused.stderr


def test_without_a_database_it_says_which_variable_to_set():
    refused = container_api("--port=0", database=None)
    assert refused.returncode == 2
    assert "HERON_DATABASE" in refused.stderr

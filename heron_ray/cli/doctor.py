"""`heron doctor`: can this machine run the service?"""

from __future__ import annotations

import dataclasses
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from heron_ray.cli.failure import FAILED
from heron_ray.cli.options import json_option
from heron_ray.cli.output import print_json

if TYPE_CHECKING:
    from heron_ray.cli.finding import Finding

RAY_START_S = 90.0
CONNECT_S = 5.0
STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The service's folder. Default: that of heron serve.",
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The API's port.")
@click.option("--ray", "with_ray", is_flag=True, help="Also start a Ray head and end it again: some 10 s.")
@json_option
def command(state_dir: Path | None, port: int, with_ray: bool, as_json: bool) -> int:
    """Check whether this machine can run the service, and say what to do where it cannot.

    Exit code 1 where something fails; a warning is no failure.
    """
    from api.supervisor.settings import default_state_dir

    findings = []
    for finding in _look(state_dir or default_state_dir(), port, with_ray=with_ray):
        findings.append(finding)
        if not as_json:
            _print(finding)
    worst = next(status for status in ("fail", "warn", "ok") if any(finding.status == status for finding in findings))
    if as_json:
        print_json({"status": worst, "findings": [dataclasses.asdict(finding) for finding in findings]})
    return FAILED if worst == "fail" else 0


def _look(state_dir: Path, port: int, *, with_ray: bool) -> Iterator[Finding]:
    from heron_ray.cli import machine
    from heron_ray.cli.leftovers import look_for_leftovers

    yield from machine.look_at_versions()
    yield machine.look_at_byte_code()
    yield machine.look_at_open_files()
    yield machine.look_at_disk("state directory", state_dir)
    yield machine.look_at_disk("temporary files", Path(tempfile.gettempdir()))
    yield machine.look_at_shared_memory()
    yield machine.look_at_port(port)
    yield machine.look_at_port_range()
    yield machine.look_at_data(os.environ)
    yield from look_for_leftovers(state_dir)
    yield look_at_given_ray(os.environ)
    if with_ray:
        yield _start_ray()


def look_at_given_ray(environment: Mapping[str, str]) -> Finding:
    """Whether a Ray named by RAY_ADDRESS can be reached."""
    from heron_ray.cli.finding import judge

    address = environment.get("RAY_ADDRESS")
    if not address:
        return judge("RAY_ADDRESS", "not set; the service starts a Ray of its own")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        return judge(
            "RAY_ADDRESS", f"{address!r} is not a host and a port", fail="write it as host:port, such as 10.0.0.5:6379"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except OSError as error:
        hint = "start that Ray, correct the address, or unset RAY_ADDRESS for a Ray of the service's own"
        return judge("RAY_ADDRESS", f"nothing answers at {address}: {error}", fail=hint)
    return judge("RAY_ADDRESS", f"{address} can be reached")


def _start_ray() -> Finding:
    """Start the service's kind of Ray head and end it."""
    from api.supervisor.ray_head import RayHead
    from heron_ray.cli.finding import judge

    mark = secrets.token_hex(16)
    guardian = [sys.executable, "-m", "api.supervisor.guardian", mark]
    with (
        tempfile.TemporaryDirectory(prefix="heron-doctor-") as logs,
        # Ends that Ray even if the doctor is killed; leaving the block closes its input, which ends it too.
        subprocess.Popen(guardian, stdin=subprocess.PIPE, start_new_session=True),  # noqa: S603 - our own module
    ):
        head = RayHead(mark=mark, logs=Path(logs))
        begin = time.monotonic()
        try:
            head.start()
            while head.address is None and not head.child.has_died() and time.monotonic() - begin < RAY_START_S:
                time.sleep(0.1)
            address, taken_s = head.address, time.monotonic() - begin
        finally:
            head.clean_up()
            head.child.end(within_s=0.0)
        if address is not None:
            return judge("ray start", f"ready after {taken_s:.0f} s")
        said = (Path(logs) / "ray.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = said[-1] if said else "it said nothing"
    return judge("ray start", f"not ready after {taken_s:.0f} s: {last}", fail="free memory, disk or ports as shown above")


def _print(finding: Finding) -> None:
    click.echo(f"{click.style(f'{finding.status:<4}', fg=STYLES[finding.status])}  {finding.name:<18}  {finding.message}")
    if finding.hint:
        click.echo(f"{'':<26}{finding.hint}")

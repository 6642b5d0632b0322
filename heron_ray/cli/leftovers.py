"""What `heron doctor` finds of services that ended without cleaning up.

A service's guardian lives as long as its supervisor and carries the service's mark as its argument; processes whose
mark has no guardian are therefore nobody's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from api.supervisor.processes import SERVICE_VARIABLE
from api.supervisor.state_directory import StateDirectory
from heron_ray.cli.finding import Finding, judge

GUARDIAN = "api.supervisor.guardian"


def look_for_leftovers(state_dir: Path) -> Iterator[Finding]:
    """A dead service's service.json, processes and temporary folders."""
    yield _look_at_service(state_dir)
    yield _look_for_processes()
    yield _look_for_folders()


def _look_at_service(state_dir: Path) -> Finding:
    service = StateDirectory(state_dir).read_service()
    if not service:
        return judge("service", f"none in {state_dir}")
    pids = service.get("pids")
    pid = pids.get("supervisor") if isinstance(pids, dict) else None
    if isinstance(pid, int) and psutil.pid_exists(pid):
        return judge("service", f"{service.get('url')} (state in {state_dir}, process {pid})")
    message = f"the one in {state_dir} (process {pid}) ended without cleaning up"
    return judge("service", message, warn=f"start it again, which cleans up: heron serve --state-dir {state_dir}")


def _look_for_processes() -> Finding:
    marked: dict[int, str] = {}
    guarded: set[str] = set()
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
            if GUARDIAN in arguments:
                guarded.add(arguments[-1])
            elif process.status() != psutil.STATUS_ZOMBIE and (mark := process.environ().get(SERVICE_VARIABLE)):
                marked[process.pid] = mark
        except (psutil.Error, OSError):
            # Gone meanwhile, or another user's.
            continue
    left = [pid for pid, mark in marked.items() if mark not in guarded]
    if not left:
        return judge("leftover processes", "none")
    message = f"{len(left)} of a service that has ended: {' '.join(map(str, left))}"
    return judge("leftover processes", message, warn=f"end them: kill -9 {' '.join(map(str, left))}")


def _look_for_folders() -> Finding:
    used = "\n".join(_command_lines())
    parents = {Path(tempfile.gettempdir()), Path("/tmp")}  # noqa: S108 - where Ray's folders lie
    found = [folder for parent in sorted(parents) for folder in sorted(parent.glob("heron-*")) if _is_ray_folder(folder)]
    stale = [str(folder) for folder in found if f"{folder}/" not in used]
    if not stale:
        return judge("leftover folders", "none")
    return judge("leftover folders", f"{len(stale)} of a Ray that has ended", warn=f"remove them: rm -r {' '.join(stale)}")


def _is_ray_folder(folder: Path) -> bool:
    try:
        return any(folder.glob("session_*"))
    except OSError:
        return False


def _command_lines() -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            yield " ".join(process.cmdline()) + "/"
        except psutil.Error:
            continue

"""Finds the processes of a service, whoever their parent is by now.

Every process that the supervisor starts carries a mark in its environment, and its descendants inherit it. Ray's
processes change parents and sessions, so neither a process tree nor a process group finds them all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import psutil

SERVICE_VARIABLE = "HERON_SERVICE"
PART_VARIABLE = "HERON_SERVICE_PART"


def marked_environment(mark: str, part: str, extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with the mark of a service and of one part of it."""
    # Ray names its processes by overwriting their arguments and, unless told not to, the environment behind them.
    return {**os.environ, "SPT_NOENV": "1", **extra, SERVICE_VARIABLE: mark, PART_VARIABLE: part}


def find_marked(mark: str, part: str | None = None) -> list[psutil.Process]:
    """The living processes of the service `mark`, or of one part of it; never the caller."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            is_ours = environment.get(SERVICE_VARIABLE) == mark and part in (None, environment.get(PART_VARIABLE))
            if is_ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            # Gone meanwhile, or another user's.
            continue
    return found


def kill_marked(mark: str, part: str | None = None, *, within_s: float = 5.0) -> int:
    """End them at once, those that they start meanwhile included. Returns how many remain: 0 unless time ran out."""
    deadline = time.monotonic() + within_s
    while processes := find_marked(mark, part):
        for process in processes:
            try:
                process.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(processes, timeout=1.0)
        if time.monotonic() > deadline:
            break
    return len(processes)

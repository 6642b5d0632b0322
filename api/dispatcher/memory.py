"""Whether the kernel has ended a process for its memory: it tells nobody, but it counts.

The counters are this machine's (and this container's), so they say something of drivers and actors on the same machine only.
"""

from __future__ import annotations

from pathlib import Path

COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))


def kernel_kills(counters: tuple[Path, ...] = COUNTERS) -> int:
    """How many processes the kernel has ended for want of memory; 0 where it does not count them.

    The first counter that there is holds: a container's own goes before its host's.
    """
    for path in counters:
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
    return 0

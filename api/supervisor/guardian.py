"""`python -m api.supervisor.guardian MARK`: ends a service's processes if its supervisor dies without doing so.

It waits for the end of its standard input, a pipe whose other end only the supervisor holds: even `kill -9` closes it.
"""

from __future__ import annotations

import signal
import sys

from api.supervisor.processes import kill_marked


def main() -> None:
    """Wait, then end what is left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdin.buffer.read()
    kill_marked(sys.argv[1])


if __name__ == "__main__":
    main()

"""`python -m api.dispatcher.lease_process`: renews a dispatcher's leases; `LeaseKeeper` starts it.

Which leases these are comes by standard input, one JSON list of [attempt id, token] a line; the last line holds. It ends with
the dispatcher, whose death closes its input. It renews nothing while the dispatcher is stopped (SIGSTOP) or has told it
nothing for two minutes: an owner that does nothing must lose its attempts.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading
import time

import psutil

from api.dispatcher.leases import DATABASE_VARIABLE
from api.dispatcher.settings import RENEWALS
from api.store import Store
from heron_ray.errors import DatabaseError

LOG = logging.getLogger(__name__)

LONGEST_SILENCE_S = 120.0


class Owner:
    """What the dispatcher says it holds, and whether it is still at work."""

    def __init__(self) -> None:
        """Listen to standard input; the process ends with it."""
        self._process = psutil.Process(os.getppid())
        self._held: list[tuple[int, int]] = []
        self._heard_at = time.monotonic()
        threading.Thread(target=self._listen, daemon=True).start()

    def held(self) -> list[tuple[int, int]]:
        """The leases to renew now; none while the dispatcher is stopped or has been silent for too long."""
        if time.monotonic() - self._heard_at > LONGEST_SILENCE_S:
            return []
        try:
            is_stopped = self._process.status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return []
        return [] if is_stopped else self._held

    def _listen(self) -> None:
        for line in sys.stdin:
            self._held = [(attempt_id, token) for attempt_id, token in json.loads(line)]
            self._heard_at = time.monotonic()
        os._exit(0)


def main() -> None:
    """Renew until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m api.dispatcher.lease_process", description=__doc__)
    parser.add_argument("--lease-s", required=True, type=float, help="seconds that a lease lasts")
    lease_s = parser.parse_args().lease_s
    store, owner = Store.connect(os.environ[DATABASE_VARIABLE]), Owner()
    while True:
        held = owner.held()
        try:
            stale = store.renew(held, lease_s=lease_s) if held else []
        except DatabaseError as error:
            LOG.warning("leases were not renewed: %s; trying again", error)
        else:
            # Their watches notice by themselves: every write of theirs is fenced.
            if stale:
                LOG.info("attempts %s have ended or have another owner", stale)
        time.sleep(lease_s / RENEWALS)


if __name__ == "__main__":
    main()

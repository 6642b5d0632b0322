"""Ctrl-C and SIGTERM as a wish to stop at the end of the round; during set-up, or a second time, they stop at once."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from heron_ray.simulation import Event

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTICE = b"\nstopping at the end of this round; once more stops at once\n"


class StopSignal:
    """Use it in `with`, as `should_stop`, and as a sink of the run.

    It is a sink because Ray, when it starts with the run, puts its own SIGTERM handler in place.
    """

    def __init__(self, *, started: bool = False) -> None:
        """No signal has come. `started`: nothing has to start before the first one is a wish."""
        self._asked = False
        self._started = started
        self._previous: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self._asked

    def emit(self, event: Event) -> None:
        """Take the signals back once everything a run needs has started."""
        if event.kind == "started":
            self._started = True
            self._install()

    def __enter__(self) -> Self:
        """Take the signals."""
        self._previous = {number: signal.getsignal(number) for number in SIGNALS}
        self._install()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _install(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked or not self._started:
            raise KeyboardInterrupt
        self._asked = True
        # Not through sys.stderr: the signal may have come while something was being written there.
        os.write(2, NOTICE)

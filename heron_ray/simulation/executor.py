"""Where roles live. An executor carries calls to roles; it does no arithmetic and knows no method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from heron_ray.simulation.setup import Setup

if TYPE_CHECKING:
    from heron_ray.simulation.trace import ProcessTrace, Seam

Reference = Any
"""What a call returns: a value, or a promise of one that may be passed to another call without being read."""


class Role(Protocol):
    """A role somewhere."""

    def call(self, method: str, *arguments: Reference) -> Reference:
        """Call a method that returns one value; calls to one role are carried out in order."""

    def call_parts(self, method: str, parts: int, *arguments: Reference) -> Sequence[Reference]:
        """Call a method that returns a tuple of `parts` values, each referred to by itself."""


class Executor(Protocol):
    """Roles in this process (LocalExecutor) or in Ray actors (RayExecutor)."""

    lookahead: int
    """Chunks a host may have computed or be computing before the main server has taken the first of them."""

    def open(self, setup: Setup) -> None:
        """Bring up the roles for one run; a role of an earlier run is let go."""

    def close(self) -> None:
        """Let go of everything."""

    @property
    def hosts(self) -> Sequence[Role]:
        """The client hosts."""

    @property
    def main_server(self) -> Role:
        """The main server."""

    @property
    def federation_server(self) -> Role:
        """The federation server."""

    def get(self, reference: Reference) -> Any:
        """The value of a reference; waits for it. Raises what the call raised, or LostActorError."""

    def serialized_bytes(self) -> dict[str, int] | None:
        """Bytes really sent up and down since `open`, framing included; None where nothing leaves the process."""

    def seams(self) -> Sequence[Seam]:
        """What a trace has to time in this process beside what it always times."""

    def record(self, on: bool) -> None:
        """Have roles in processes of their own record where time goes from here on, or no longer; at first they do not."""

    def traces(self) -> Sequence[ProcessTrace]:
        """What those processes recorded."""

    def __enter__(self) -> Self:
        """For `with`."""

    def __exit__(self, *_: object) -> None:
        """Close."""

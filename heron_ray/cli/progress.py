"""Live progress on stderr: bars on a terminal, elsewhere a line for every tenth of an experiment.

Fed by events, either the engine's own or those of the service; both have a kind and a mapping of fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from heron_ray.cli.output import diagnosis_text

if TYPE_CHECKING:
    from heron_ray.simulation import Event

TENTHS = 10


class Board(Protocol):
    """Where tracks show how far they are."""

    def draw(self, track: Track) -> None:
        """Show a track as it is now."""

    def announce(self, track: Track) -> None:
        """Show a track's news, to stay."""


class Track:
    """How far one experiment is, by its events. Used by one thread."""

    def __init__(self, name: str, board: Board) -> None:
        """Nothing is known before the first event."""
        self.name = name
        self.round = 0
        self.rounds: int | None = None
        self.state = ""
        self.accuracy: float | None = None
        self.news = ""
        self._board = board

    def show(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take one event; unknown kinds change nothing."""
        self.news = ""
        if kind == "state":
            self.state = data["state"]
            reason = f" ({data['reason']}: {data['message']})" if data.get("reason") else ""
            self.news = f"{self.state}{reason}"
        elif kind == "started":
            self.round, self.rounds = data["after_round"], data["rounds"]
        elif kind == "round_finished":
            before = self.tenths
            self.round, self.rounds = data["round"], data["rounds"]
            self.accuracy = data["metrics"].get("validation_accuracy", self.accuracy)
            self.news = f"{self.round}/{self.rounds} rounds" if self.tenths > before else ""
        elif kind == "diagnosis":
            self.news = diagnosis_text(data)
            self._board.announce(self)
            return
        else:
            return
        self._board.draw(self)

    @property
    def tenths(self) -> int:
        """Whole tenths done."""
        return self.round * TENTHS // self.rounds if self.rounds else 0

    @property
    def score(self) -> str:
        """The last validation accuracy, in words."""
        return "" if self.accuracy is None else f"validation accuracy {self.accuracy:.3f}"


class TrackSink:
    """Passes an engine's events on to a track."""

    def __init__(self, track: Track) -> None:
        """Feed `track`."""
        self._track = track

    def emit(self, event: Event) -> None:
        """Pass on the events that a track understands; the others are not even copied."""
        if event.kind in ("started", "round_finished", "diagnosis"):
            self._track.show(event.kind, {name: getattr(event, name) for name in event.__dataclass_fields__})


class Bars:
    """One bar per track, redrawn in place."""

    def __init__(self) -> None:
        """Draw on stderr once entered."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[state]} {task.fields[score]}", markup=False),
            console=Console(stderr=True),
            refresh_per_second=5,
        )
        self._tasks: dict[Track, TaskID] = {}

    def track(self, name: str) -> Track:
        """Add a bar."""
        track = Track(name, self)
        self._tasks[track] = self._progress.add_task(escape(name), total=None, start=False, state="", score="")
        return track

    def draw(self, track: Track) -> None:
        """Move the track's bar."""
        task = self._tasks[track]
        if track.rounds is not None:
            self._progress.start_task(task)
        self._progress.update(task, completed=track.round, total=track.rounds, state=track.state, score=track.score)
        if track.state in ("SUCCEEDED", "FAILED", "CANCELLED"):
            self._progress.stop_task(task)

    def announce(self, track: Track) -> None:
        """A line above the bars."""
        self._progress.console.print(f"{track.name}: {track.news}", markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Draw a last time."""
        self._progress.stop()


class Lines:
    """A line per change of state and per tenth, for logs."""

    def track(self, name: str) -> Track:
        """Prefix lines with `name`."""
        return Track(name, self)

    def draw(self, track: Track) -> None:
        """Print the track's news, if it has any."""
        if track.news:
            click.echo(f"{track.name}: {track.news}{', ' + track.score if track.score else ''}", err=True)

    def announce(self, track: Track) -> None:
        """A line like any other."""
        click.echo(f"{track.name}: {track.news}", err=True)

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""


def progress() -> Bars | Lines:
    """Bars where stderr is a terminal, else lines."""
    return Bars() if Console(stderr=True).is_terminal else Lines()

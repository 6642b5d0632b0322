"""`heron demo`: the product's main job in one command, through a service of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from heron_ray.cli.options import json_option, load, set_option
from heron_ray.cli.output import print_json
from heron_ray.errors import ConflictError, HeronError

if TYPE_CHECKING:
    from heron_ray.cli.progress import Track
    from heron_ray.client import Client, Experiment
    from heron_ray.spec import ExperimentSpec

SPECS = ("digits-heron.yaml", "digits-cse_fsl.yaml", "digits-frozen_client.yaml")
TAG = "demo"
UNFINISHED = ("QUEUED", "STARTING", "RUNNING")

directory = click.Path(file_okay=False, path_type=Path)


@click.command("demo")
@click.option(
    "--experiments",
    type=directory,
    default=Path("experiments"),
    show_default=True,
    help=f"Folder with {', '.join(SPECS)}.",
)
@click.option(
    "--state-dir",
    type=directory,
    default=Path(".heron/demo"),
    show_default=True,
    help="Where database, figure and logs go.",
)
@click.option("--keep", is_flag=True, help="Leave the service up afterwards, until Ctrl-C.")
@set_option
@json_option
def command(experiments: Path, state_dir: Path, keep: bool, overrides: tuple[str, ...], as_json: bool) -> None:
    """Compare three methods on real data through a service of its own.

    Starts a service on a free port, submits one experiment with three methods over REST, shows their progress, prints a
    table and the paths of a figure and of the database, and stops the service. Exits 1 if an experiment failed.
    """
    specs = _load(experiments, overrides)
    from heron_ray.cli.following import exit_by_state
    from heron_ray.cli.service_process import ServiceProcess
    from heron_ray.client import Client

    with _signals_as_interrupt():
        click.echo(f"starting a service in {state_dir}", err=True)
        with ServiceProcess(state_dir) as service, Client(service.url) as client:
            ended = _run(client, specs)
            figure = state_dir / "accuracy.html"
            _report(client, ended, figure, service.database, as_json=as_json)
            if keep:
                click.echo(f"the service is at {service.url}; Ctrl-C stops it", err=True)
                with suppress(KeyboardInterrupt):
                    service.wait()
    for experiment in ended:
        exit_by_state(experiment.state)


def _load(folder: Path, overrides: tuple[str, ...]) -> list[ExperimentSpec]:
    missing = [name for name in SPECS if not (folder / name).is_file()]
    if missing:
        hint = "run this in a checkout of heron-ray, or say with --experiments where they are"
        raise click.UsageError(f"{folder} has no {', '.join(missing)}: {hint}")
    specs = [load(folder / name, overrides) for name in SPECS]
    if len({spec.name for spec in specs}) < len(specs):
        raise click.UsageError("the experiments of a demo need different names")
    return specs


def _run(client: Client, specs: Sequence[ExperimentSpec]) -> list[Experiment]:
    """Submit all, show their progress until all have ended, and describe them. Interrupted, it asks them to end."""
    from heron_ray.cli.progress import progress

    _cancel_unfinished(client)
    try:
        ids = [client.submit(spec, [TAG]).id for spec in specs]
        with progress() as board:
            followers = [Follower(client.url, id, board.track(spec.name)) for id, spec in zip(ids, specs, strict=True)]
            for follower in followers:
                follower.start()
            for follower in followers:
                follower.join()
    except BaseException:
        _cancel_unfinished(client)
        raise
    for follower in followers:
        if follower.error is not None:
            raise follower.error
    return [client.get(id) for id in ids]


class Follower(threading.Thread):
    """Moves one track by the events of one experiment. A daemon: an interrupted demo does not wait for it.

    It has a connection of its own, since it may outlive that of the demo by a moment.
    """

    def __init__(self, url: str, id: str, track: Track) -> None:
        """Nothing is asked for before `start`."""
        super().__init__(daemon=True)
        self.error: HeronError | None = None
        self._url = url
        self._id = id
        self._track = track

    def run(self) -> None:
        """Follow to the end; keeps the error if that fails."""
        from heron_ray.client import Client

        try:
            with Client(self._url) as client:
                for event in client.follow(self._id):
                    self._track.show(event.kind, event.data)
        except HeronError as error:
            self.error = error


def _cancel_unfinished(client: Client) -> None:
    """Cancel this demo's experiments, or those that one which was killed left in the database."""
    try:
        for experiment in client.list(states=UNFINISHED, tags=[TAG]):
            with suppress(ConflictError):
                client.cancel(experiment.id)
    except HeronError as error:
        click.echo(f"note: unfinished experiments could not be cancelled: {error.message}", err=True)


def _report(client: Client, ended: Sequence[Experiment], figure: Path, database: str, *, as_json: bool) -> None:
    from rich.console import Console

    from heron_ray.cli.comparison import comparison_table, write_accuracy_page

    for experiment in ended:
        if experiment.state != "SUCCEEDED":
            why = f" ({experiment.reason}): {experiment.message}" if experiment.reason else ""
            click.echo(f"error: {experiment.name} ended {experiment.state}{why}", err=True)
    write_accuracy_page({experiment.name: client.series(experiment.id) for experiment in ended}, figure)
    if as_json:
        print_json(
            {"experiments": [experiment.raw for experiment in ended], "figure": str(figure.absolute()), "database": database}
        )
        return
    if any(experiment.result is not None for experiment in ended):
        Console().print(comparison_table(ended))
    click.echo(f"figure:   {figure.absolute()}")
    click.echo(f"database: {database.removeprefix('sqlite:///')}")


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM and a closed terminal as Ctrl-C, so that the service never outlives the demo."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

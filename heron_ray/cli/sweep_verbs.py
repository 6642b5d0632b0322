"""The verbs of `heron sweep` that talk to a service."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from heron_ray.cli.options import id_argument, idempotency_option, json_option, key_option, url_option
from heron_ray.cli.output import local_time, print_columns, print_fields, print_json, share, size
from heron_ray.cli.sweep_plan import plan_options

if TYPE_CHECKING:
    from heron_ray.client import Client, Point, Sweep


def _objective_label(objective: dict[str, Any]) -> str:
    from heron_ray.spec.sweep import Objective

    return Objective.model_validate(objective).label


def _values(overrides: dict[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in overrides.items())


@click.command("submit")
@plan_options
@click.option("--warm-start", "warm_start", multiple=True, metavar="ID", help="An ended sweep to learn from; may be repeated.")
@idempotency_option
@url_option
@key_option
@json_option
def submit(
    base: dict[str, Any],
    space: Any,
    plan: dict[str, Any],
    warm_start: tuple[str, ...],
    idempotency_key: str | None,
    url: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Submit a sweep to the service; prints its id."""
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        submitted = client.submit_sweep(
            base, space, idempotency_key=idempotency_key, **plan, **({"warm_start": [*warm_start]} if warm_start else {})
        )
    if as_json:
        print_json(submitted.raw)
        return
    click.echo(submitted.id)
    click.echo(f"look at it with: heron sweep show {submitted.id}", err=True)


@click.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many.")
@url_option
@key_option
@json_option
def list_them(limit: int, url: str, key: str | None, as_json: bool) -> None:
    """List sweeps, newest first."""
    import itertools

    from heron_ray.client import Client

    with Client(url, key=key) as client:
        sweeps = list(itertools.islice(client.list_sweeps(), limit))
    if as_json:
        print_json({"sweeps": [sweep.raw for sweep in sweeps]})
        return
    rows = [
        [
            sweep.id,
            sweep.name,
            sweep.state + (" (paused)" if sweep.paused else f" ({sweep.reason})" if sweep.reason else ""),
            sweep.space,
            str(sweep.samples),
            sweep.search,
            local_time(sweep.created_at),
        ]
        for sweep in sweeps
    ]
    print_columns(["ID", "NAME", "STATE", "SPACE", "SAMPLES", "SEARCH", "SUBMITTED"], rows)


@click.command("show")
@id_argument
@url_option
@key_option
@json_option
def show(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Show one sweep: where it stands, and its trials."""
    sweep = _get(id, url, key)
    if as_json:
        print_json(sweep.raw)
        return
    _print_standing(sweep)
    rows = [
        [
            str(trial.number),
            trial.state + (f" ({trial.reason})" if trial.reason else ""),
            f"{trial.round}/{trial.rounds or '-'}",
            "" if trial.validation_accuracy is None else share(trial.validation_accuracy),
            "" if trial.test_accuracy is None else share(trial.test_accuracy),
            _values(trial.overrides),
        ]
        for trial in sweep.trials
    ]
    print_columns(["TRIAL", "STATE", "ROUND", "VALIDATION", "TEST", "OVERRIDES"], rows)


@click.command("best")
@id_argument
@url_option
@key_option
@json_option
def best(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Print the best trial of a sweep with one objective."""
    sweep = _get(id, url, key)
    if as_json:
        print_json({"id": id, "best": sweep.raw["best"]})
    elif len(sweep.objectives) > 1:
        raise click.UsageError(
            f"a sweep with {len(sweep.objectives)} objectives has no best point; see: heron sweep pareto {id}"
        )
    elif sweep.best is None:
        click.echo("no point came to its end yet", err=True)
    else:
        _print_points(sweep, [point for point in sweep.points if sweep.best.number in point.trials])


@click.command("pareto")
@id_argument
@url_option
@key_option
@json_option
def pareto(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Print the points that no other point beats in every objective."""
    sweep = _get(id, url, key)
    if as_json:
        print_json({"id": id, "pareto": [point.raw for point in sweep.pareto]})
        return
    _print_points(sweep, sweep.pareto)


@click.command("importance")
@id_argument
@url_option
@key_option
@json_option
def importance(id: str, url: str, key: str | None, as_json: bool) -> None:
    """Print how much of each objective's spread the axes explain."""
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        found = client.sweep_importance(id)
    if as_json:
        print_json(found.raw)
        return
    for weighed in found.objectives:
        if not weighed.importances:
            click.echo(f"{weighed.objective}: {found.points} points say too little", err=True)
        for path, part in weighed.importances.items():
            click.echo(f"{share(part):>9}  {path}  ({weighed.objective})")


@click.command("export")
@id_argument
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to; `-` writes to stdout.")
@url_option
@key_option
@json_option
def export(id: str, output: str, url: str, key: str | None, as_json: bool) -> None:
    """Write the trials of a sweep as CSV: overrides, figures, one column per objective."""
    from heron_ray.cli.export import write_chunks

    if output == "-" and as_json:
        raise click.UsageError("stdout takes the CSV: name a file with -o to have --json")
    sweep = _get(id, url, key)
    if output == "-":
        for line in _csv(sweep):
            click.echo(line, nl=False)
        return
    path = Path(output)
    written = write_chunks((line.encode() for line in _csv(sweep)), path)
    if as_json:
        print_json({"file": str(path), "bytes": written, "trials": len(sweep.trials)})
    else:
        click.echo(f"{path}: {size(written)}")


@click.command("extend")
@id_argument
@click.option("--samples", type=click.IntRange(1, 10_000), required=True, help="As many more points.")
@url_option
@key_option
@json_option
def extend(id: str, samples: int, url: str, key: str | None, as_json: bool) -> None:
    """Have a sweep try more points, also one that has ended."""
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        _print_changed(client.extend_sweep(id, samples), as_json)


def _changing(name: str, help: str, change: Callable[[Client, str], Sweep]) -> click.Command:
    """A verb that changes a sweep and prints its state."""

    @click.command(name, help=help)
    @id_argument
    @url_option
    @key_option
    @json_option
    def verb(id: str, url: str, key: str | None, as_json: bool) -> None:
        from heron_ray.client import Client

        with Client(url, key=key) as client:
            _print_changed(change(client, id), as_json)

    return verb


VERBS = (
    submit,
    list_them,
    show,
    best,
    pareto,
    importance,
    export,
    _changing("pause", "Let no more trials of a sweep begin.", lambda client, id: client.pause_sweep(id)),
    _changing("resume", "Let trials of a paused sweep begin again.", lambda client, id: client.resume_sweep(id)),
    extend,
    _changing("retry", "Try only the failed trials of a sweep again.", lambda client, id: client.retry_sweep(id)),
    _changing("cancel", "Cancel a sweep and its running trials.", lambda client, id: client.cancel_sweep(id)),
)


def _get(id: str, url: str, key: str | None) -> Sweep:
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        return client.get_sweep(id)


def _print_changed(sweep: Sweep, as_json: bool) -> None:
    if as_json:
        print_json(sweep.raw)
    else:
        click.echo(f"{sweep.state} (paused)" if sweep.paused else sweep.state)


def _print_standing(sweep: Sweep) -> None:
    budget = ", ".join(f"{name} {most}" for name, most in sweep.budget.items() if most is not None)
    print_fields(
        {
            "id": sweep.id,
            "name": sweep.name,
            "state": sweep.state + (" (paused)" if sweep.paused else ""),
            "reason": sweep.reason,
            "message": sweep.message,
            "space": f"{sweep.space}: {', '.join(sweep.axes)}",
            "search": f"{sweep.search}, {sweep.samples} points" + (f" x {sweep.seeds} seeds" if sweep.seeds > 1 else ""),
            "scheduler": sweep.scheduler,
            "objectives": "; ".join(map(_objective_label, sweep.objectives)),
            "budget": budget or None,
            "submitted": local_time(sweep.created_at),
        }
    )


def _print_points(sweep: Sweep, points: Iterable[Point]) -> None:
    labels = list(map(_objective_label, sweep.objectives))
    rows = [
        [
            str(point.number),
            *(
                f"{mean:.6g}" + (f" +- {deviation:.2g}" if sweep.seeds > 1 else "")
                for mean, deviation in zip(point.means or (), point.deviations or (), strict=True)
            ),
            _values(point.overrides),
        ]
        for point in points
    ]
    print_columns(["POINT", *labels, "OVERRIDES"], rows)


def _csv(sweep: Sweep) -> Iterable[str]:
    """The lines of a table, with quotes where they are needed."""
    labels = list(map(_objective_label, sweep.objectives))
    paths = list(dict.fromkeys(path for trial in sweep.trials for path in trial.overrides))
    heads = ["trial", "point", "state", "reason", "experiment", "rounds", *paths]
    yield _line([*heads, "validation_accuracy", "test_accuracy", *labels])
    for trial in sweep.trials:
        overrides = [_cell(trial.overrides[path]) if path in trial.overrides else "" for path in paths]
        point = (trial.number - 1) // sweep.seeds + 1
        plain = [trial.number, point, trial.state, trial.reason, trial.experiment_id, trial.round]
        values = trial.values or (None,) * len(labels)
        yield _line([*plain, *overrides, trial.validation_accuracy, trial.test_accuracy, *values])


def _cell(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else json.dumps(value)


def _line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    # A text that a spreadsheet would run as a formula gets an apostrophe.
    safe = [f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") else cell for cell in cells]
    csv.writer(text, lineterminator="\n").writerow(safe)
    return text.getvalue()

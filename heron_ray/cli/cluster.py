"""`heron cluster`: what the service runs experiments on, and what waits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from heron_ray.cli.options import json_option, key_option, url_option
from heron_ray.cli.output import local_time, print_columns, print_json, size

if TYPE_CHECKING:
    from heron_ray.client import Dispatcher, Queue


@click.command("cluster")
@url_option
@key_option
@json_option
def command(url: str, key: str | None, as_json: bool) -> None:
    """Show what experiments run on: slots, nodes, and what waits for them."""
    from heron_ray.client import Client

    with Client(url, key=key) as client:
        cluster = client.cluster()
    if as_json:
        print_json(cluster.raw)
        return
    if not cluster.dispatchers:
        click.echo("no dispatcher has reported yet: what is queued waits until one does")
    for dispatcher in cluster.dispatchers:
        _print_dispatcher(dispatcher)
    _print_queue(cluster.queue)


def _print_dispatcher(dispatcher: Dispatcher) -> None:
    running, has, admitted = dispatcher.running, dispatcher.has, dispatcher.admitted
    click.echo(f"dispatcher {dispatcher.owner}: {len(running)} of {dispatcher.slots} slots taken")
    if dispatcher.is_silent:
        click.echo(
            f"SILENT since {local_time(dispatcher.seen_at)}: it is gone, or does not reach Ray; this is what it said last"
        )
    gpus = f", {admitted.gpus:g} of {has.gpus:g} GPUs" if has.gpus else ""
    memory = f"{size(admitted.memory_bytes)} of {size(has.memory_bytes)}"
    click.echo(f"let in with {admitted.cpus:g} of {has.cpus:g} CPUs{gpus}, {memory}")
    holds = Counter(one.node for one in running)
    rows = [
        [
            node.name,
            node.address,
            "head" if node.is_head else "worker" if node.is_alive else "has left",
            f"{node.has.cpus:g}",
            f"{node.has.gpus:g}",
            size(node.has.memory_bytes),
            str(holds[node.id]),
        ]
        for node in dispatcher.nodes
    ]
    print_columns(["NODE", "ADDRESS", "IS", "CPUS", "GPUS", "MEMORY", "EXPERIMENTS"], rows)
    click.echo()


def _print_queue(queue: Queue) -> None:
    if not queue.length:
        click.echo("nothing is queued")
        return
    click.echo(
        f"{queue.length} queued" + (f", of which the first {len(queue.first)}:" if len(queue.first) < queue.length else ":")
    )
    rows = [[one.id, one.name, local_time(one.created_at), one.waiting or ""] for one in queue.first]
    print_columns(["ID", "NAME", "SUBMITTED", "WHY IT WAITS"], rows)

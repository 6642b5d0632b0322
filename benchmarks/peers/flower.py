"""Flower on a workload: FedAvg over its simulation runtime on Ray, one CPU per client, as many at a time as there are.

Flower draws which of its nodes take part; which client of the workload a node plays is told by the message it gets. The
message's weights are trained by `workload.train`; sampling, messages and the mean are Flower's own.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import workload as work
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

FOLDER = "folder"


client_app = ClientApp()


@client_app.train()
def train(message: Message, context: Context) -> Message:
    """One client's round."""
    config = message.content["config"]
    workload, network = work.client_side(config[FOLDER])
    network.load_state_dict(message.content["arrays"].to_torch_state_dict())
    work.train(network, workload, config["server-round"] - 1, config["position"])
    content = RecordDict({"arrays": ArrayRecord(network.state_dict()), "metrics": MetricRecord({"num-examples": 1})})
    return Message(content=content, reply_to=message)


class TimedFedAvg(FedAvg):
    """FedAvg that gives every message its client and tells the clock about rounds."""

    def __init__(self, workload: work.Workload, folder: str, clock: work.Interleaved) -> None:
        """Train as many nodes a round as the workload's cohort has clients, and evaluate none."""
        super().__init__(fraction_train=workload.cohort / workload.clients, fraction_evaluate=0.0)
        self.min_available_nodes = workload.clients
        self._cohort = workload.cohort
        self._folder = folder
        self._clock = clock

    def configure_train(self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid) -> Iterable[Message]:
        """Flower's own choice of nodes."""
        if server_round == 1:
            self._clock.begin()
        messages = list(super().configure_train(server_round, arrays, config, grid))
        for position, message in enumerate(messages):
            told = ConfigRecord({**config, "position": position, FOLDER: self._folder})
            message.content = RecordDict({"arrays": arrays, "config": told})
        return messages

    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> Any:
        """Flower's own mean. It would leave out a client that failed, so that is an error."""
        replies = list(replies)
        for reply in replies:
            if reply.has_error():
                raise RuntimeError(reply.error.reason)
        if len(replies) != self._cohort:
            raise RuntimeError(f"{len(replies)} of {self._cohort} clients answered in round {server_round}")
        arrays, metrics = super().aggregate_train(server_round, replies)
        self._clock.round_over(lambda: torch.cat([tensor.flatten() for tensor in arrays.to_torch_state_dict().values()]))
        return arrays, metrics


def main() -> None:
    """Run the workload and write the report."""
    source, folder = sys.argv[1], Path(sys.argv[2])
    workload = work.Workload.load(Path(source))
    clock = work.Interleaved(workload, work.launched())
    server_app = ServerApp()

    @server_app.main()
    def serve(grid: Grid, context: Context) -> None:
        # Flower takes its fraction of the nodes that happen to be connected when it looks, and only then waits for the rest.
        while len(list(grid.get_node_ids())) < workload.clients:
            time.sleep(0.1)
        initial = ArrayRecord(work.model(workload).state_dict())
        TimedFedAvg(workload, source, clock).start(grid=grid, initial_arrays=initial, num_rounds=workload.rounds)
        work.write_report(folder, clock.report())

    with tempfile.TemporaryDirectory(prefix="flower-") as temporary:
        run_simulation(
            server_app,
            client_app,
            workload.clients,
            backend_config={
                "init_args": {"address": "local", "_temp_dir": temporary},
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            },
        )


if __name__ == "__main__":
    main()

"""pfl-research on a workload: FederatedAveraging over its SimulatedBackend, in one process.

The cohort and the batches are the workload's; the local steps, the update and the mean are pfl's own.
"""

from __future__ import annotations

import sys
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
import workload as work
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.hyperparam import NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from torch import Tensor, nn
from torch.nn import functional

MOST_ROUNDS = 1_000_000


class Network(nn.Module):
    """The network with the two methods that pfl asks for."""

    def __init__(self, workload: work.Workload) -> None:
        """Build it."""
        super().__init__()
        self.layers = work.model(workload)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean cross-entropy."""
        return functional.cross_entropy(self.layers(x), y)

    def metrics(self, x: Tensor, y: Tensor) -> dict[str, Weighted]:
        """Asked for only in the first iteration, which is warm-up."""
        return {"loss": Weighted(self.loss(x, y).item() * len(y), len(y))}


class RoundClock(TrainingProcessCallback):
    """Tells the clock about rounds."""

    def __init__(self, clock: work.Interleaved) -> None:
        """Tell `clock`."""
        self._clock = clock

    def on_train_begin(self, *, model: PyTorchModel) -> Metrics:
        """The first round begins."""
        self._clock.begin()
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: PyTorchModel, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        """A round is over."""
        self._clock.round_over(lambda: nn.utils.parameters_to_vector(model.pytorch_model.parameters()).detach())
        return False, Metrics()


def main() -> None:
    """Run the workload and write the report."""
    workload, folder = work.Workload.load(Path(sys.argv[1])), Path(sys.argv[2])
    torch.set_num_threads(1)
    places = chain.from_iterable(((round, at) for at in range(workload.cohort)) for round in count())

    def user(place: tuple[int, int]) -> PyTorchTensorDataset:
        rows = workload.batches[place].flatten()
        return PyTorchTensorDataset((workload.x.index_select(0, rows), workload.y.index_select(0, rows)), user_id=str(place))

    network = Network(workload)
    model = PyTorchModel(network, torch.optim.SGD, torch.optim.SGD(network.parameters(), lr=1.0))
    users = FederatedDataset(user, lambda: next(places))
    clock = work.Interleaved(workload, work.launched())
    steps, batch = workload.batches.shape[2:]
    parameters: dict[str, Any] = {"evaluation_frequency": MOST_ROUNDS, "val_cohort_size": None}
    FederatedAveraging().run(
        NNAlgorithmParams(central_num_iterations=workload.rounds, train_cohort_size=workload.cohort, **parameters),
        SimulatedBackend(users, users),
        model,
        NNTrainHyperParams(
            local_num_epochs=None, local_num_steps=steps, local_learning_rate=workload.lr, local_batch_size=batch
        ),
        callbacks=[RoundClock(clock)],
        send_metrics_to_platform=False,
    )
    work.write_report(folder, clock.report())


if __name__ == "__main__":
    main()

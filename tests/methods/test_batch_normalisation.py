"""Every method on a network with batch normalisation: running statistics travel, are averaged, and no probe touches them."""

import numpy as np
import pytest
import torch

from heron_ray.errors import DataError
from heron_ray.methods import Fate, make_method
from heron_ray.methods.registry import METHODS
from heron_ray.models.normalisation import BatchNorm
from heron_ray.simulation import LocalExecutor, Simulation, profile
from heron_ray.simulation.local import LocalRole
from heron_ray.simulation.messages import Waiting
from heron_ray.simulation.plan import Chunk
from heron_ray.simulation.result import RunResult
from heron_ray.simulation.roles import ClientHost, FederationServer
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from heron_ray.vectors import FlatVector
from heron_ray.zo import ZerothOrderEstimator
from tests.conftest import MakeSpec, method_overrides, takes

SLIM = [
    "data={kind: image_folder, path: stripes, classes: 2, height: 8, width: 8, channels: 1}",
    "model={kind: resnet18, width: 4, cut: 1, auxiliary: {kind: pooled_linear}}",
    "clients={count: 3, batch_size: 8, local_steps: 2}",
    "partition={kind: iid}",
    "rounds=2",
]
CHANNELS = 4
pytestmark = pytest.mark.usefixtures("stripes")


class Hosts(LocalExecutor):
    """A local executor with several client hosts."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def open(self, setup: Setup) -> None:
        super().open(setup)
        self.hosts = [LocalRole(ClientHost(setup)) for _ in range(self._count)]


def slim(make_spec: MakeSpec, kind: str, *more: str) -> ExperimentSpec:
    wide = ["method.zeroth_order.mu=0.05"] if takes(kind, "zeroth_order") else []
    return make_spec(*SLIM, *method_overrides(kind), *wide, *more)


def run(spec: ExperimentSpec, hosts: int = 1) -> RunResult:
    with Hosts(hosts) as executor:
        return Simulation(spec, executor).run()


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_bits_do_not_depend_on_the_number_of_hosts(make_spec: MakeSpec, kind: str) -> None:
    spec = slim(make_spec, kind)
    assert run(spec, 3).trajectory_digest == run(spec, 1).trajectory_digest


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_running_statistics_are_a_traffic_kind_of_their_own(make_spec: MakeSpec, kind: str) -> None:
    traffic = profile(slim(make_spec, kind)).traffic_per_round_bytes
    method = make_method(slim(make_spec, kind).method)
    travelling = method.parts_to_be(Fate.AVERAGED, Fate.REPLAYED)
    whole = sum(2 * owner.num_features for part in travelling for owner in _norms(make_spec, kind, part))
    for way in ("up", "down"):
        assert traffic[way].get("statistics", 0) == 3 * whole * 4
    if "front" in travelling and "back" not in travelling:
        assert whole == 3 * 2 * CHANNELS


def _norms(make_spec: MakeSpec, kind: str, part: str) -> list[BatchNorm]:
    model = Setup.build(slim(make_spec, kind)).build_model()
    return [owner for owner in getattr(model, part).modules() if isinstance(owner, BatchNorm)]


def test_the_statistics_of_the_global_model_are_the_mean_of_the_clients(make_spec: MakeSpec) -> None:
    spec = slim(make_spec, "cse_fsl", "rounds=1")
    setup = Setup.build(spec)
    federation, host = FederationServer(setup), ClientHost(setup)
    before = federation.shared_parts()
    _, message = host.advance(Chunk(round=1, number=0, host=0, blocks=((0,), (1,), (2,))), before, (), None, 0, None)
    updates = message.updates
    assert updates is not None
    assert updates.vectors is not None
    federation.collect(message)
    federation.aggregate(1)
    statistics = slice(-3 * 2 * CHANNELS, None)
    assert np.allclose((federation.shared_parts() - before)[statistics], updates.vectors.mean(axis=0)[statistics], atol=1e-6)
    assert not np.allclose(updates.vectors[0, statistics], updates.vectors[1, statistics])
    assert not np.allclose(updates.vectors[:, statistics], 0)


def test_only_the_unperturbed_forward_pass_moves_running_statistics(make_spec: MakeSpec) -> None:
    spec = slim(make_spec, "heron")
    setup = Setup.build(spec)
    model = setup.build_model()
    vector = FlatVector(model.parts(("front", "auxiliary")))
    x = setup.dataset.train.x[:8]
    estimator = ZerothOrderEstimator(spec.method.zeroth_order, vector)  # type: ignore[union-attr]
    before = vector.statistics(["front"])
    estimator.probe(lambda: model.auxiliary(model.front(x)).square().mean(), torch.zeros(()), [1, 2])
    assert np.array_equal(vector.statistics(["front"]), before)
    model.front(x)
    assert not np.array_equal(vector.statistics(["front"]), before)


def test_a_client_moves_its_statistics_once_a_step_however_many_probes_it_makes(make_spec: MakeSpec) -> None:
    def statistics(probes: int) -> np.ndarray:
        setup = Setup.build(slim(make_spec, "heron", f"method.zeroth_order.probes={probes}", "clients.local_steps=1"))
        broadcast = FederationServer(setup).broadcast()
        chunk = Chunk(round=1, number=0, host=0, blocks=((0,),))
        progress, message = ClientHost(setup).advance(chunk, broadcast, (), None, 0, None)
        assert progress.waiting is Waiting.NOTHING
        updates = message.updates
        assert updates is not None
        assert updates.vectors is not None
        return np.asarray(updates.vectors[0, -3 * 2 * CHANNELS :])

    assert np.array_equal(statistics(1), statistics(5))


def test_evaluation_uses_running_statistics_and_leaves_them_alone(make_spec: MakeSpec) -> None:
    one, every = (run(slim(make_spec, "cse_fsl", f"evaluation.batch_size={size}")) for size in (1, 64))
    assert one.test_accuracy == every.test_accuracy
    assert one.test_loss == pytest.approx(every.test_loss, rel=1e-4)


@pytest.mark.parametrize("kind", ["cse_fsl", "sflv2", "fedavg", "fedgkt", "split_lora"])
def test_a_first_order_method_learns_with_normalised_blocks(make_spec: MakeSpec, kind: str) -> None:
    rate = 0.02 if kind == "split_lora" else 0.1  # its adapters are scaled by 8
    server = [f"method.server_optimizer.lr={rate}"] if takes(kind, "server_optimizer") else []
    rates = [f"method.client_optimizer.lr={rate}", "rounds=15", "clients.batch_size=16", *server]
    assert run(slim(make_spec, kind, *rates)).test_accuracy > 0.8


@pytest.mark.parametrize("kind", ["heron", "cse_fsl", "fedavg"])
def test_a_batch_without_variance_is_named_with_a_way_out(make_spec: MakeSpec, kind: str) -> None:
    spec = slim(make_spec, kind, "clients.batch_size=1")  # the last blocks see 1x1 pixels
    with pytest.raises(DataError, match=r"more than one value per channel.*batch_size"):
        run(spec)

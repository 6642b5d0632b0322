"""What clients see their samples through, and that a run's bits do not depend on who computes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from heron_ray.data import make_transform
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.simulation.roles.client_host import ClientHost
from heron_ray.simulation.setup import Setup
from tests.conftest import MakeSpec, require_refusal

SEEN = {
    "rotation": "{kind: rotation, degrees: 180}",
    "noise": "{kind: noise, sigma: 0.6}",
    "colour": "{kind: colour, strength: 0.4}",
}


def feature(transform: str, *more: str) -> list[str]:
    return [f"partition={{kind: feature, transform: {transform}}}", *more]


@pytest.mark.parametrize("client", [0, 2, 3])
def test_rotation_turns_client_i_by_its_share_of_the_angle_counter_clockwise(make_spec: MakeSpec, client: int) -> None:
    see = make_transform(make_spec(*feature("{kind: rotation, degrees: 360}", "clients.count=4")))
    images = torch.rand(3, 1, 8, 8)
    turned = torch.rot90(images, client, dims=(2, 3))
    torch.testing.assert_close(see(images.view(3, 64), np.arange(3), client), turned.reshape(3, 64))


def test_rotation_by_a_few_degrees_moves_a_bright_spot_along_its_circle(make_spec: MakeSpec) -> None:
    """Also where an image is wider than high: nothing is stretched."""
    files = "data={kind: image_folder, path: spots, height: 33, width: 65, channels: 1}"
    see = make_transform(make_spec(*feature("{kind: rotation, degrees: 120}", "clients.count=4", files)))
    rows, columns = torch.meshgrid(torch.arange(33.0), torch.arange(65.0), indexing="ij")
    spot = torch.exp(-((rows - 16) ** 2 + (columns - 42) ** 2) / 8)
    seen = see(spot[None, None], np.zeros(1, dtype=np.int64), 1)[0, 0]
    centre = [float((seen * axis).sum() / seen.sum()) for axis in (rows, columns)]
    assert centre == pytest.approx([16 - 10 * np.sin(np.pi / 6), 32 + 10 * np.cos(np.pi / 6)], abs=0.15)


def test_noise_has_its_deviation_grows_with_the_client_and_stays_with_the_sample(make_spec: MakeSpec) -> None:
    see = make_transform(make_spec(*feature(SEEN["noise"])))
    blank, rows = torch.zeros(400, 64), np.arange(400)
    for client in (0, 5):
        assert see(blank, rows, client).std().item() == pytest.approx(0.6 * (client + 1) / 6, rel=0.02)
    again = see(blank[:3], np.array([7, 399, 7]), 5)
    assert torch.equal(again[0], again[2])
    assert torch.equal(again[1], see(blank, rows, 5)[399])
    assert not torch.equal(again[0], see(blank[:1], np.array([7]), 4)[0])


def test_colour_is_one_affine_map_per_client_and_channel(make_spec: MakeSpec) -> None:
    see = make_transform(make_spec(*feature(SEEN["colour"])))
    maps = []
    for client in range(6):
        x = torch.rand(5, 64)
        stretch = (see(x, np.arange(5), client) - see(torch.zeros(5, 64), np.arange(5), client)) / x
        shift = see(torch.zeros(1, 64), np.zeros(1, dtype=np.int64), client)
        assert stretch.std().item() < 1e-5
        assert shift.std().item() == pytest.approx(0, abs=1e-7)
        maps.append((stretch.mean().item(), shift.mean().item()))
    assert len(set(maps)) == 6
    assert all(0.6 <= stretch <= 1.4 and -0.4 <= shift <= 0.4 for stretch, shift in maps)


@pytest.mark.parametrize("kind", SEEN)
def test_clients_of_a_block_see_what_each_would_see_alone(make_spec: MakeSpec, kind: str) -> None:
    setup = Setup.build(make_spec(*feature(SEEN[kind], "method.kind=cse_fsl")))
    host = ClientHost(setup)
    x, y = host._client(1, (0, 4), {}, (None, None)).batch(2)
    for place, number in enumerate((0, 4)):
        own_x, own_y = host._client(1, (number,), {}, (None,)).batch(2)
        assert torch.equal(x[place], own_x)
        assert torch.equal(y[place], own_y)
        plain = ClientHost(Setup.build(make_spec("partition={kind: iid}", "method.kind=cse_fsl")))
        assert not torch.equal(plain._client(1, (number,), {}, (None,)).batch(2)[0], own_x) or (kind, number) == ("rotation", 0)


def test_the_data_set_is_left_as_it_was(make_spec: MakeSpec) -> None:
    setup = Setup.build(make_spec(*feature(SEEN["noise"])))
    before = setup.dataset.train.x.clone()
    ClientHost(setup)._client(1, (3,), {}, (None,)).batch(0)
    assert torch.equal(setup.dataset.train.x, before)


@pytest.mark.parametrize("kind", SEEN)
def test_a_run_with_feature_skew_repeats_and_differs_from_one_without(make_spec: MakeSpec, kind: str) -> None:
    def digest(*overrides: str) -> str:
        with LocalExecutor() as executor:
            return Simulation(make_spec("rounds=2", *overrides), executor).run().trajectory_digest

    skewed = feature(SEEN[kind])
    assert digest(*skewed) == digest(*skewed)
    assert digest(*skewed) != digest("partition={kind: iid}")


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        (["partition={kind: natural}"], "partition.kind", "client_column"),
        (
            ["data={kind: synthetic}", "partition={kind: feature, transform: {kind: rotation}}"],
            "partition.transform.kind",
            "needs images",
        ),
        (["partition={kind: pathological, classes: 11}"], "partition.classes", "the data have 10"),
        (["partition={kind: label_quantity}"], "partition.kind", "use pathological"),
        (
            ["partition={kind: mixed, parts: [{share: 0.5, partition: {kind: iid}}, {share: 0.2, partition: {kind: iid}}]}"],
            "partition.parts",
            "add up to 0.7",
        ),
        (
            ["partition={kind: mixed, parts: [{share: 0.99, partition: {kind: iid}}, {share: 0.01, partition: {kind: iid}}]}"],
            "partition.parts.1.share",
            "is none",
        ),
        (
            ["partition={kind: feature, transform: {kind: noise}, base: {kind: pathological, classes: 1}}"],
            "partition.base.classes",
            "cannot hold 10 classes",
        ),
    ],
)
def test_a_partition_that_does_not_fit_is_refused_with_the_spec(overrides: list[str], path: str, words: str) -> None:
    require_refusal(overrides, path, words)

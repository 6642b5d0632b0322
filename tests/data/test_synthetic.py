"""Data that are drawn: images are the clusters' numbers in another shape, tokens follow their chain."""

from __future__ import annotations

import math

import pytest
import torch

from heron_ray.data import load_dataset
from heron_ray.errors import SpecError
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.simulation.footprint import footprint
from heron_ray.spec.data import SyntheticData
from heron_ray.spec.text import SyntheticTokensData
from tests.conftest import MakeSpec

TOKENS = SyntheticTokensData(kind="synthetic_tokens", samples=400, vocabulary=12, length=20, successors=3)


def test_images_are_the_same_numbers_in_their_shape() -> None:
    plain = SyntheticData(kind="synthetic", samples=100, features=48)
    images = SyntheticData(kind="synthetic", samples=100, features=48, image=(3, 4, 4))
    vectors, pictures = (load_dataset(spec, 5) for spec in (plain, images))
    assert pictures.input_shape == (3, 4, 4)
    assert torch.equal(pictures.train.x.flatten(1), vectors.train.x)
    assert "image" not in plain.model_dump()


def test_a_convolutional_network_trains_on_them(make_spec: MakeSpec) -> None:
    spec = make_spec(
        "data={kind: synthetic, samples: 100, features: 192, image: [3, 8, 8], spread: 0.5}",
        "model={kind: cnn, front: [4], back: [4], head: [8], auxiliary: {kind: linear}}",
        "rounds=1",
    )
    with LocalExecutor() as executor:
        assert Simulation(spec, executor).run().rounds == 1


def test_an_image_of_another_size_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match=r"data.features: .*set features=3072"):
        make_spec("data={kind: synthetic, image: [3, 32, 32]}")


def test_tokens_are_equal_for_equal_seeds_and_every_label_is_the_next_token() -> None:
    first, again, other = (load_dataset(TOKENS, seed) for seed in (1, 1, 2))
    assert (len(first.train.x), len(first.validation.x), len(first.test.x)) == (400, 40, 40)
    assert torch.equal(first.train.x, again.train.x)
    assert not torch.equal(first.train.x, other.train.x)
    assert torch.equal(first.train.x[:, 1:], first.train.y[:, :-1])


def test_a_token_has_no_more_successors_than_it_may_and_all_splits_have_one_chain() -> None:
    dataset = load_dataset(TOKENS, 0)
    follows: dict[int, set[int]] = {}
    for split in (dataset.train, dataset.validation, dataset.test):
        for now, then in zip(split.x.flatten().tolist(), split.y.flatten().tolist(), strict=True):
            follows.setdefault(now, set()).add(then)
    assert set(follows) <= set(range(12))
    assert max(map(len, follows.values())) == 3


def test_a_service_knows_what_they_need(make_spec: MakeSpec) -> None:
    spec = make_spec(
        "data={kind: synthetic_tokens, samples: 200, vocabulary: 16, length: 16}",
        "model={kind: gpt2, preset: tiny, cut: 1, auxiliary: {kind: server_blocks, blocks: 0}}",
        "partition={kind: iid}",
    )
    assert footprint(spec, distributed=False).memory_bytes > 0


def test_a_language_model_learns_the_chain(make_spec: MakeSpec) -> None:
    spec = make_spec(
        "data={kind: synthetic_tokens, samples: 200, vocabulary: 16, length: 16, successors: 1}",
        "model={kind: gpt2, preset: tiny, cut: 1, auxiliary: {kind: server_blocks, blocks: 0}}",
        "method={kind: cse_fsl, client_optimizer: {kind: adam, lr: 0.003}, server_optimizer: {kind: adam, lr: 0.003}}",
        "clients={count: 2, batch_size: 16, local_steps: 5}",
        "partition={kind: iid}",
        "rounds=4",
    )
    with LocalExecutor() as executor:
        result = Simulation(spec, executor).run()
    assert result.test_loss < math.log(16) - 0.5

"""Methods and settings that cannot go together are refused before anything runs, with a way out."""

import pytest

from heron_ray.errors import SpecError
from tests.conftest import MakeSpec, method_overrides

IMAGES = "data={kind: parquet, path: x}"
RESNET = "model={kind: resnet18, width: 8, auxiliary: {kind: pooled_linear}}"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method.kind=split_lora"], r"model\.lora: split_lora trains adapters, .*model\.lora=\{rank: 4, alpha: 32\}"),
        (["model.lora={rank: 0}"], r"model\.lora\.rank"),
        (["model.lora={depth: 2}"], r"model\.lora\.depth: unknown field; valid here: alpha, rank"),
        ([*method_overrides("ho_sfl"), "clients.per_round=2"], r"clients\.per_round: ho_sfl needs every client"),
        (
            [*method_overrides("ho_sfl"), "aggregation={kind: mean, weights: samples}"],
            r"aggregation\.weights: ho_sfl's clients upload scalars, which have one vote each: use uniform",
        ),
        (
            [*method_overrides("ho_sfl"), "aggregation={kind: centered_clipping}"],
            r"aggregation\.kind: centered_clipping cannot join ho_sfl's scalars",
        ),
        (
            ["smashed_defence={kind: pooled_updates, rule: {kind: mean, before: [{kind: bucketing, s: 2}]}}"],
            r"smashed_defence\.rule\.kind: mean cannot join copies of the back model",
        ),
        (
            ["method.kind=fedgkt", "aggregation={kind: krum, f: 1}"],
            r"aggregation: fedgkt's clients upload no .*use aggregation=",
        ),
        (["method.kind=frozen_client", "aggregation={kind: median}"], r"aggregation: frozen_client's clients upload no"),
        (["method.kind=ho_sfl", "method.client_optimizer_lifetime=run"], r"client_optimizer_lifetime: unknown field"),
        (["method.kind=fedavg", "method.server_optimizer={kind: sgd, lr: 0.1}"], r"server_optimizer: unknown field"),
        (["method.kind=sflv1", "method.upload_every=2"], r"upload_every: unknown field"),
        (["method.kind=mu_splitfed", "method.zeroth_order.probes=4"], r"zeroth_order: unknown field"),
        (["method.client_optimizer={kind: lion, lr: 0.1}"], r"method\.client_optimizer.*sgd.*adam"),
        (["method.kind=cse_fsl", "method.upload=scalars"], r"method\.upload: unknown field"),
        (["method.kind=sflv2", "compute.compile=true"], r"compute\.compile: only heron's clients compile, not sflv2's"),
        (["method.kind=cse_fsl", "evaluation.estimator_quality=true"], r"estimator_quality: cse_fsl's clients make no zeroth"),
        (["method.kind=sflv2", "evaluation.client_losses=1"], r"client_losses: sflv2's clients know no loss of their own"),
        (["rounds=100000", "evaluation.client_losses=1"], r"client_losses: .* are the most: use \d+ or more, or null"),
        (["method.kind=fedgkt", "attack={kind: sign_flip, byzantine: 1}"], r"attack\.kind: .*fedgkt's clients upload none"),
        (["method.kind=ho_sfl", "attack={kind: gaussian, byzantine: 1}"], r"attack\.kind: .*ho_sfl's clients upload none"),
        (["model.cut=9"], r"model\.cut: 9 lies beyond the last layer"),
        (["model.cut=0"], r"model\.cut: .*greater than or equal to 1"),
        ([IMAGES, RESNET, "model.cut=9"], r"model\.cut: .*less than or equal to 8"),
        ([IMAGES, RESNET, "model.auxiliary={kind: linear}"], r"model\.auxiliary.*flat_linear.*pooled_linear.*blocks"),
        (["model.auxiliary={kind: pooled_linear}"], r"model\.auxiliary.*linear.*mlp.*sized"),
        ([IMAGES, RESNET, "model.auxiliary={kind: blocks, blocks: 8}"], r"model\.auxiliary\.blocks: 8 are more than the 7"),
        ([RESNET], r"model\.kind: resnet18 needs images"),
    ],
)
def test_a_contradiction_names_the_field_and_the_way_out(make_spec: MakeSpec, overrides: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make_spec(*overrides)


@pytest.mark.parametrize("cut", range(9))
def test_no_cut_of_resnet18_leaves_a_part_empty(make_spec: MakeSpec, cut: int) -> None:
    from heron_ray.models import build_model

    spec = make_spec(IMAGES, RESNET, f"model.cut={cut}")
    model = build_model(spec.model, input_shape=(3, 32, 32), classes=10, seed=0, device="meta")
    assert all(any(True for _ in part.parameters()) for part in (model.front, model.auxiliary, model.back))

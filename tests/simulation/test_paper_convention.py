"""The paper's way of counting, on models small enough to count by hand; tests/simulation/test_paper.py has the paper's own."""

import pytest

from heron_ray.methods.registry import METHODS
from heron_ray.simulation.paper_convention import GIB, MIB, WORKSPACE_BYTES, PaperConvention, paper_convention
from tests.conftest import MakeSpec, method_overrides

PAPER_METHODS = ["cse_fsl", "fsl_sage", "heron", "sflv1", "sflv2"]
FRONT_MACS, AUXILIARY_MACS = 16 * (64 * 32 + 32 * 16), 16 * 16 * 10
BOTH_MACS = FRONT_MACS + AUXILIARY_MACS
FRONT, AUXILIARY = 64 * 32 + 32 + 32 * 16 + 16, 16 * 10 + 10
CLIENTS, STEPS, BATCH, CUT, ROUNDS = 6, 3, 16, 16, 4

WIDE = ("data={kind: synthetic, features: 256}", "model.front=[1024]", "clients.batch_size=512")
WIDE_X, WIDE_Z, WIDE_WEIGHTS, WIDE_FRONT, WIDE_HEAD = (4 * n for n in (512 * 256, 512 * 1024, 2**18, 2**18 + 1024, 10_250))
SMALL = 200 * 1024
"""Labels, logits and what the loss holds."""


def convention(make_spec: MakeSpec, *overrides: str) -> PaperConvention:
    found = paper_convention(make_spec(*overrides))
    assert found is not None
    return found


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_only_the_methods_of_the_papers_table_have_one(make_spec: MakeSpec, kind: str) -> None:
    assert (paper_convention(make_spec(*method_overrides(kind))) is not None) == (kind in PAPER_METHODS)


def test_adapters_have_none(make_spec: MakeSpec) -> None:
    assert paper_convention(make_spec("model.lora={rank: 4}")) is None


@pytest.mark.parametrize(
    ("overrides", "macs"),
    [
        (["method.zeroth_order.probes=1"], 2 * BOTH_MACS),
        (["method.zeroth_order.probes=3"], 4 * BOTH_MACS),
        (["method.zeroth_order={probes: 3, difference: central}"], 6 * BOTH_MACS),
        (["method.kind=cse_fsl"], 3 * BOTH_MACS),
        (["method.kind=fsl_sage"], 3 * BOTH_MACS),
        (["method.kind=sflv1"], 3 * FRONT_MACS + AUXILIARY_MACS),
        (["method.kind=sflv2"], 3 * FRONT_MACS + AUXILIARY_MACS),
    ],
)
def test_macs(make_spec: MakeSpec, overrides: list[str], macs: int) -> None:
    assert convention(make_spec, *overrides).macs_per_step == macs


def test_the_memory_of_a_zeroth_order_client_is_held_z_and_a_forward_pass(make_spec: MakeSpec) -> None:
    held = WIDE_X + WIDE_FRONT + 2 * WIDE_Z
    assert 0 <= convention(make_spec, *WIDE).peak_mib * MIB - held < SMALL


@pytest.mark.parametrize(("optimizer", "vectors"), [("{kind: sgd, lr: 0.1}", 2), ("{kind: adam, lr: 0.1}", 4)])
def test_the_memory_of_a_first_order_client_is_a_step_with_three_copies_at_the_cut(
    make_spec: MakeSpec, optimizer: str, vectors: int
) -> None:
    found = {
        kind: convention(make_spec, *WIDE, f"method.kind={kind}", f"method.client_optimizer={optimizer}").peak_mib * MIB
        for kind in ("sflv1", "sflv2", "cse_fsl", "fsl_sage")
    }
    saved_z, copies, backward = WIDE_Z, 3 * WIDE_Z, WIDE_Z + WIDE_WEIGHTS
    held = WIDE_X + vectors * WIDE_FRONT + saved_z + copies + backward
    assert 0 <= found["sflv2"] - held < SMALL
    assert found["sflv1"] == found["sflv2"]
    assert 0 <= found["cse_fsl"] - (held + vectors * WIDE_HEAD + WORKSPACE_BYTES) < SMALL
    assert found["fsl_sage"] == found["cse_fsl"]


def test_traffic(make_spec: MakeSpec) -> None:
    smashed, models = STEPS * BATCH * CUT * 4, 2 * FRONT * 4
    expected: dict[str, float | None] = {
        "heron": ROUNDS * CLIENTS * (smashed + models),
        "fsl_sage": CLIENTS * (ROUNDS * (smashed + models) + 2 * AUXILIARY * 4),
        "sflv2": ROUNDS * CLIENTS * (2 * smashed + models),
        "cse_fsl": None,
        "sflv1": None,
    }
    for kind, count in expected.items():
        more = ["method.alignment.every=2"] if kind == "fsl_sage" else []
        found = convention(make_spec, f"method.kind={kind}", *more).traffic_gib
        assert found == (None if count is None else count / GIB), kind


@pytest.mark.parametrize(
    ("overrides", "samples"),
    [
        ([], 12 * 16),
        (["method.upload_every=5"], 3 * 16),
        (["data.train_samples=600"], 100),
        (["data.train_samples=600", "clients.per_round=2"], 100),
        (["data.train_samples=600", "method.upload_every=2"], 6 * 16),
    ],
)
def test_smashed_data_are_those_of_a_pass_over_the_clients_samples_at_most(
    make_spec: MakeSpec, overrides: list[str], samples: int
) -> None:
    images = "data={kind: parquet, path: absent, height: 8, width: 8, channels: 1}"
    spec = make_spec(images, "clients.local_steps=12", *overrides)
    assert convention(make_spec, images, "clients.local_steps=12", *overrides).traffic_gib == (
        ROUNDS * spec.clients.cohort * (samples * CUT + 2 * FRONT) * 4 / GIB
    )

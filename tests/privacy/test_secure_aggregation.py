"""The cost of secure aggregation: the paper's own figures, its sum written out, and where a profile shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_ray.privacy import secure_aggregation
from heron_ray.privacy.secure_aggregation import KEY_BITS, SHARE_BITS
from heron_ray.simulation import profile
from tests.conftest import MakeSpec


@pytest.mark.parametrize(("clients", "numbers", "expansion"), [(2**10, 2**20, 1.73), (2**14, 2**24, 1.98)])
def test_the_papers_expansions_come_out(clients, numbers, expansion):
    assert secure_aggregation(clients, numbers, 16).expansion == pytest.approx(expansion, abs=0.005)


@given(clients=st.integers(1, 5000), numbers=st.integers(1, 10**7), bits=st.integers(1, 64))
def test_both_directions_make_up_the_papers_sum(clients, numbers, bits):
    cost = secure_aggregation(clients, numbers, bits)
    width = next(width for width in range(200) if 2**width >= clients * (2**bits - 1) + 1)
    total = 2 * clients * KEY_BITS + (5 * clients - 4) * SHARE_BITS + numbers * width
    assert 0 <= 8 * (cost.client_up_bytes + cost.client_down_bytes) - total < 16
    assert cost.server_bytes == clients * (cost.client_up_bytes + cost.client_down_bytes)


def test_a_profile_tells_it_where_clients_upload_vectors_that_are_averaged(make_spec: MakeSpec) -> None:
    told = profile(make_spec()).secure_aggregation
    front, head = 64 * 32 + 32 + 32 * 16 + 16, 16 * 10 + 10
    assert told == secure_aggregation(6, front + head)
    for none in ("aggregation={kind: median}", "method.upload=scalars", "method.kind=frozen_client"):
        assert profile(make_spec(none)).secure_aggregation is None

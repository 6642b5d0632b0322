"""The memory benchmark: its slope, its verdict, and that it reads a real service."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.pairs import fit
from benchmarks.service_memory import BLOCK, BOUND_BYTES, PARTS, judge, sample
from heron_ray.cli.service_process import ServiceProcess


def samples_of(api: list[int], dispatcher: list[int]) -> list[dict[str, int]]:
    return [
        {"experiments": BLOCK * (number + 1), "api": one, "dispatcher": other}
        for number, (one, other) in enumerate(zip(api, dispatcher, strict=True))
    ]


def test_a_line_is_found_with_no_doubt() -> None:
    assert fit([0, 1, 2, 3], [5, 7, 9, 11]) == pytest.approx({"slope": 2, "low": 2, "high": 2})


def test_what_grows_steadily_is_not_flat_and_what_wavers_is() -> None:
    growing = [10**8 + int(4 * BOUND_BYTES) * BLOCK * number for number in range(40)]
    wavering = [10**8 + 100_000 * (-1) ** number for number in range(40)]
    verdict = judge(samples_of(growing, wavering))
    assert {part: found["flat"] for part, found in verdict.items()} == {"api": False, "dispatcher": True}


def test_growth_during_the_warm_up_does_not_count() -> None:
    warming = [10**8 + 10**6 * min(number, 5) for number in range(40)]
    assert all(found["flat"] for found in judge(samples_of(warming, warming)).values())


@pytest.mark.soak
def test_a_real_service_is_sampled_after_every_block() -> None:
    with TemporaryDirectory(prefix="heron-memory-") as folder:
        state = Path(folder) / "state"
        with ServiceProcess(state) as service:
            samples = sample(service, state, 2 * BLOCK)
    assert [one["experiments"] for one in samples] == [BLOCK, 2 * BLOCK]
    assert all(one[part] > 10 * 1024 * 1024 for one in samples for part in PARTS)

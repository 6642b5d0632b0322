"""What a storm over sweeps compares: a sweep that differs in anything is found out."""

from __future__ import annotations

import pytest

from benchmarks.chaos.runs import Undisturbed
from benchmarks.chaos.sweeps import MU, SAMPLES, sweep_faults

PROPOSALS = [{MU: 10.0**-number} for number in range(1, SAMPLES + 1)]
SCORES = [0.5, 0.9, 0.7, 0.9]
UNDISTURBED = [Undisturbed(spec={}, rounds=1, digest="d", validation_accuracy=score, series={}) for score in SCORES]
IDS = ["a", "b", "c", "d"]


@pytest.fixture
def page():
    trials = [
        {"number": number, "overrides": overrides, "experiment_id": id}
        for number, (overrides, id) in enumerate(zip(PROPOSALS, IDS, strict=True), start=1)
    ]
    return {"state": "SUCCEEDED", "reason": None, "message": None, "trials": trials, "best": trials[1]}


def test_an_undisturbed_sweep_has_no_faults(page):
    assert sweep_faults(page, IDS, UNDISTURBED, PROPOSALS) == []
    assert sweep_faults(page, IDS, UNDISTURBED, None) == []


@pytest.mark.parametrize(
    ("change", "experiments", "words"),
    [
        ({"state": "FAILED"}, IDS, "it is FAILED"),
        ({"best": None}, IDS, "best trial is None, not number 2"),
        ({"best": {"number": 4}}, IDS, "not number 2"),
        ({}, [*IDS, "e"], "5 experiments belong to its 4 trials"),
        ({}, IDS[:3], "3 experiments belong to its 4 trials"),
    ],
)
def test_a_sweep_that_differs_is_found_out(page, change, experiments, words):
    (fault,) = sweep_faults({**page, **change}, experiments, UNDISTURBED, PROPOSALS)
    assert words in fault


def test_other_trials_than_were_to_be_tried_are_found_out(page):
    page["trials"][0] = {**page["trials"][0], "overrides": {MU: 3.0}}
    assert "it tried" in sweep_faults(page, IDS, UNDISTURBED, PROPOSALS)[0]
    page["trials"].pop()
    assert "numbers [1, 2, 3]" in sweep_faults(page, IDS[:3], UNDISTURBED[:3], None)[0]

import pytest

from api.domain.admission import GIB, Resources
from api.domain.growth import MOST_BUNDLES, bundles, requests

SMALL = Resources(cpus=1, memory_bytes=GIB)
LARGE = Resources(cpus=2, memory_bytes=8 * GIB)
PART_OF_LARGE = {"CPU": 1, "memory": 4 * GIB}


@pytest.mark.parametrize(
    ("needs", "asked"),
    [
        (Resources(), []),
        (SMALL, [{"CPU": 1, "memory": GIB}]),
        (LARGE, [PART_OF_LARGE, PART_OF_LARGE]),
        (Resources(cpus=0.5, gpus=2), [{"CPU": 0.5, "GPU": 1}, {"GPU": 1}]),
        (Resources(gpus=0.25, memory_bytes=GIB), [{"GPU": 0.25, "memory": GIB}]),
        (Resources(cpus=MOST_BUNDLES + 1), []),
    ],
)
def test_an_experiment_asks_for_its_cores_and_cards_one_by_one(needs, asked):
    assert bundles(needs) == asked


def test_nothing_is_asked_for_where_nothing_runs_or_waits():
    assert requests([], [], slots=4) == [[]]


def test_what_runs_is_kept_while_nothing_waits():
    assert requests([SMALL], [], slots=4) == [bundles(SMALL)]


def test_everything_is_asked_for_at_once_and_then_each_waiting_one_alone():
    turns = requests([SMALL], [LARGE, SMALL], slots=3)
    assert turns == [bundles(SMALL) + bundles(LARGE) + bundles(SMALL), bundles(SMALL) + bundles(LARGE), bundles(SMALL) * 2]


def test_no_more_than_there_are_slots_for_is_asked_for():
    assert requests([SMALL], [SMALL] * 20, slots=3) == [bundles(SMALL) * 3, bundles(SMALL) * 2]
    assert requests([SMALL], [LARGE], slots=1) == [bundles(SMALL)]


def test_one_that_needs_too_much_for_any_cluster_keeps_none_of_the_others_from_a_turn():
    giant = Resources(cpus=500)
    assert bundles(SMALL) in requests([], [giant, SMALL], slots=1)

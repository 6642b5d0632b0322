import pytest

from api.domain.admission import GIB, Candidate, Resources, decide, declared

CLUSTER = Resources(cpus=8, gpus=1, memory_bytes=20 * GIB)


def wants(id, *, gib=1.0, cpus=1.0, gpus=0.0, refused_s=0.0, estimated=False):
    needs = Resources(cpus=cpus, gpus=gpus, memory_bytes=int(gib * GIB))
    return Candidate(id=id, needs=needs, refused_s=refused_s, estimated=estimated)


def choose(*queue, used=Resources()):  # noqa: B008 - frozen
    return decide(queue, total=CLUSTER, used=used, patience_s=60)


def test_the_oldest_that_fits_goes_first():
    decision = choose(wants("a"), wants("b"))
    assert (decision.admitted, decision.waiting) == ("a", {})


def test_nothing_is_admitted_from_an_empty_queue():
    assert choose().admitted is None


@pytest.mark.parametrize(
    ("needs", "used", "reason"),
    [
        ({"gib": 8}, {"memory_bytes": int(16.9 * GIB)}, "waits for 8.0 GiB of memory: 3.1 of 20.0 GiB are free"),
        ({"cpus": 4}, {"cpus": 6}, "waits for 4 CPUs: 2 of 8 are free"),
        ({"gpus": 1}, {"gpus": 0.5}, "waits for 1 GPUs: 0.5 of 1 are free"),
    ],
)
def test_one_that_finds_no_room_says_what_is_missing(needs, used, reason):
    decision = choose(wants("a", **needs), used=Resources(**used))
    assert (decision.admitted, decision.waiting, decision.refused) == (None, {"a": reason}, {"a"})


def test_what_is_needed_to_the_last_bit_fits():
    third = Resources(cpus=8 / 3, memory_bytes=10 * GIB)
    assert choose(wants("a", cpus=8 / 3, gib=0), used=third + third).admitted == "a"


def test_a_smaller_one_overtakes_one_that_has_not_waited_for_long():
    decision = choose(wants("large", gib=15), wants("small"), used=Resources(memory_bytes=10 * GIB))
    assert decision.admitted == "small"


def test_nothing_overtakes_one_that_has_waited_for_long_and_says_so():
    large = wants("large", gib=15, refused_s=60)
    decision = choose(large, wants("small"), used=Resources(memory_bytes=10 * GIB))
    assert decision.admitted is None
    assert "experiment large" in decision.waiting["small"]


def test_the_one_that_has_waited_for_long_goes_as_soon_as_there_is_room():
    assert choose(wants("large", gib=15, refused_s=999), wants("small")).admitted == "large"


def test_one_that_the_cluster_can_never_hold_holds_nobody_up():
    decision = choose(wants("giant", gib=40, refused_s=999), wants("small"))
    assert decision.admitted == "small"
    assert decision.waiting["giant"] == "needs 40.0 GiB of memory, but the whole cluster has 20.0 GiB"
    assert decision.refused == frozenset()


def test_an_estimate_that_is_too_large_says_how_to_correct_it():
    assert "submit it with resources.memory_bytes" in choose(wants("giant", gib=40, estimated=True)).waiting["giant"]


def test_nothing_is_decided_before_it_is_known_what_the_next_one_needs():
    decision = choose(wants("giant", gib=40), Candidate(id="new", needs=None), wants("small"))
    assert (decision.admitted, decision.unknown) == (None, "new")
    assert "estimated" in decision.waiting["new"]


def test_what_was_declared_is_told_from_what_was_estimated():
    assert declared({"cpus": 2, "gpus": 0, "memory_bytes": 5, "estimated": ["gpus", "memory_bytes"]}) == {"cpus": 2}
    assert declared({"cpus": 2}) == {"cpus": 2}
    assert declared(None) == {}

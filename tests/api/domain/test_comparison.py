from api.domain.comparison import group_labels, labels


def spec(**fields):
    return {"name": "a", "seed": 0, "rounds": 5, "method": {"kind": "heron", "lr": 0.1}, **fields}


def test_an_experiment_is_called_by_its_name_where_no_other_has_it():
    assert labels({"0001": spec(), "0002": spec(), "0003": spec(name="b")}) == {"0001": "a 0001", "0002": "a 0002", "0003": "b"}


def test_seed_and_name_alone_make_no_group():
    assert group_labels({"1": spec(), "2": spec(seed=1, name="b")}) == {"1": "a", "2": "a"}


def test_a_group_is_called_by_what_tells_it_from_the_others():
    found = group_labels({"1": spec(), "2": spec(method={"kind": "fedavg"})})
    assert found == {"1": "method heron, lr 0.1", "2": "method fedavg"}


def test_groups_that_differ_beyond_what_is_told_are_still_told_apart():
    many = {f"field{number}": 0 for number in range(5)}
    found = group_labels({"0001": spec(**many), "0002": spec(**many, rounds=6), "0003": spec(**{**many, "field4": 1})})
    assert len(set(found.values())) == 3
    crowded = dict.fromkeys(many, 1)
    found = group_labels({"0001": spec(**many), "0002": spec(**crowded), "0003": spec(**{**crowded, "field4": 2})})
    assert len(set(found.values())) == 3


def test_long_values_are_cut():
    found = group_labels({"1": spec(path="x" * 500), "2": spec(path="y")})
    assert len(found["1"]) < 60

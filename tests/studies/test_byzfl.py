"""ByzFL configurations as studies: its grid, its names, and what has no equivalent."""

from __future__ import annotations

from typing import Any

import pytest

from heron_ray.errors import SpecError
from heron_ray.studies import byzfl, expand, parse_study
from heron_ray.studies.byzfl import import_byzfl

GIVEN = {
    "model": {"kind": "mlp", "front": [16], "auxiliary": {"kind": "linear"}},
    "data": {"kind": "digits"},
}


def config(**changes: Any) -> dict[str, Any]:
    """A configuration in ByzFL's form whose parts all have an equivalent; `changes` are merged into its sections."""
    whole: dict[str, Any] = {
        "benchmark_config": {
            "nb_steps": 20,
            "nb_training_seeds": 2,
            "training_seed": 5,
            "nb_honest_clients": 8,
            "f": [1, 2],
            "data_distribution": [
                {"name": "gamma_similarity_niid", "distribution_parameter": [1.0, 0.33]},
                {"name": "extreme_niid"},
                {"name": "dirichlet_niid", "distribution_parameter": 0.5},
            ],
        },
        "model": {"name": "fc_mnist", "dataset_name": "mnist", "loss": "NLLLoss", "learning_rate": [0.1, 0.01]},
        "aggregator": [{"name": "Median"}, {"name": "TrMean", "parameters": {}}],
        "honest_clients": {"momentum": 0.9, "weight_decay": 0.0001, "batch_size": 25},
        "attack": [{"name": "LabelFlipping"}, {"name": "Gaussian", "parameters": {"sigma": [1.0, 2.0], "mu": 0.0}}],
        "evaluation_and_results": {"evaluation_delta": 10},
    }
    for name, change in changes.items():
        whole[name] = {**whole[name], **change} if isinstance(change, dict) else change
    return whole


def cells(source: dict[str, Any]) -> list[Any]:
    return expand(parse_study(import_byzfl(source, GIVEN)[0]))


def test_lists_are_axes_and_cells_their_product() -> None:
    found = cells(config())
    # attacks (1 + 2 sigmas) x rules x distributions (2 gammas + 1 + 1) x learning rates x f x seeds
    assert len(found) == 3 * 2 * 4 * 2 * 2 * 2
    assert all(cell.spec is not None for cell in found)
    assert {cell.spec.seed for cell in found} == {5, 6}


def test_byzantine_clients_come_on_top_of_the_honest_ones_and_rules_are_told_of_them() -> None:
    found = [cell.spec for cell in cells(config()) if "TrMean" in cell.labels["rule"]]
    assert {(spec.clients.count, spec.attack.byzantine, spec.aggregation.f) for spec in found} == {(9, 1, 1), (10, 2, 2)}


def test_a_tolerated_f_below_the_true_one_is_left_out_as_byzfl_does() -> None:
    found = [cell.spec for cell in cells(config(benchmark_config={"tolerated_f": [1, 2]})) if "TrMean" in cell.labels["rule"]]
    assert {(spec.attack.byzantine, spec.aggregation.f) for spec in found} == {(1, 1), (1, 2), (2, 2)}


def test_honest_clients_may_be_all_clients() -> None:
    found = [cell.spec for cell in cells(config(benchmark_config={"set_honest_clients_as_clients": True}))]
    assert {(spec.clients.count, spec.attack.byzantine) for spec in found} == {(8, 1), (8, 2)}


def test_dsgd_is_one_local_step_with_heavy_ball_momentum_in_byzfls_scale() -> None:
    spec = cells(config())[0].spec
    optimizer = spec.method.client_optimizer
    assert (spec.method.kind, spec.clients.local_steps, spec.method.client_optimizer_lifetime) == ("fedavg", 1, "run")
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (pytest.approx(0.01), 0.9, 1e-4)
    assert (spec.rounds, spec.clients.batch_size, spec.evaluation.every) == (20, 25, 10)


def test_fedavg_samples_its_share_of_the_honest_clients_and_takes_its_steps_without_momentum() -> None:
    algorithm = {"name": "FedAvg", "parameters": {"proportion_selected_clients": 0.5, "local_steps_per_client": 7}}
    spec = cells(config(benchmark_config={"training_algorithm": algorithm}))[0].spec
    assert (spec.clients.per_round, spec.clients.local_steps) == (4, 7)
    assert (spec.method.client_optimizer.lr, spec.method.client_optimizer.momentum) == (0.1, 0.0)


def test_distributions_are_partitions() -> None:
    found = {cell.labels["distribution"]: cell.spec.partition for cell in cells(config())}
    assert [(one.kind, getattr(one, "gamma", None), getattr(one, "alpha", None)) for one in found.values()] == [
        ("gamma_similarity", 1.0, None),
        ("gamma_similarity", 0.33, None),
        ("gamma_similarity", 0.0, None),
        ("dirichlet", None, 0.5),
    ]


def test_multi_krum_takes_the_mean_of_all_but_f_where_that_is_one_number() -> None:
    found = [cell.spec.aggregation for cell in cells(config(aggregator=[{"name": "MultiKrum"}]))]
    assert {(rule.kind, rule.f, rule.m) for rule in found} == {("krum", 1, 8), ("krum", 2, 8)}
    with pytest.raises(SpecError, match="MultiKrum: its n - f differs"):
        import_byzfl(
            config(aggregator=[{"name": "MultiKrum"}], benchmark_config={"set_honest_clients_as_clients": True}), GIVEN
        )


def test_what_has_no_equivalent_is_refused_by_name_all_at_once() -> None:
    source = config(
        model={"name": "cnn_mnist", "loss": "MSELoss", "learning_rate_decay": 0.5, "milestones": [10]},
        aggregator=[{"name": "Median"}, {"name": "Wise"}],
        attack=[{"name": "Shout"}, {"name": "Gaussian", "parameters": {"mu": 1.0}}],
        benchmark_config={"data_distribution": [{"name": "by_moon"}], "size_train_set": 1.0},
    )
    with pytest.raises(SpecError) as caught:
        import_byzfl(source)
    said = str(caught.value)
    for words in ("cnn_mnist", "MSELoss", "learning_rate_decay", "Wise", "Shout", "Gaussian: mu", "by_moon", "size_train_set"):
        assert words in said


def test_parts_of_a_list_can_be_left_out_and_are_noted_but_not_settings_of_the_whole() -> None:
    source = config(attack=[{"name": "Shout"}, {"name": "LabelFlipping"}])
    study, notes = import_byzfl(source, GIVEN, leave_out=True)
    assert list(study["axes"]["attack"]["cases"]) == ["LabelFlipping"]
    assert "left out: attack: Shout has no equivalent" in notes
    with pytest.raises(SpecError, match="MSELoss"):
        import_byzfl(config(model={"loss": "MSELoss"}), GIVEN, leave_out=True)
    with pytest.raises(SpecError, match="Shout"):
        import_byzfl(config(attack=[{"name": "Shout"}]), GIVEN, leave_out=True)


def test_a_kind_that_the_schema_lacks_is_refused_and_one_that_it_has_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"Median": ("median", {}), "TrMean": ("not_written_yet", {})}
    monkeypatch.setattr(byzfl, "RULES", table)
    with pytest.raises(SpecError, match=r"^aggregator: TrMean: this heron-ray has no aggregation.kind=not_written_yet"):
        import_byzfl(config(), GIVEN)


def test_the_plain_equivalents_of_byzfls_own_names_are_valid_specs() -> None:
    source = config(model={"name": "ResNet18", "dataset_name": "cifar10"}, attack=[{"name": "NoAttack"}])
    spec = expand(parse_study(import_byzfl(source)[0]))[0].spec
    assert spec is not None
    assert (spec.model.kind, spec.data.kind, spec.attack) == ("resnet18", "parquet", None)
    assert expand(parse_study(import_byzfl(config())[0]))[0].spec is not None


@pytest.mark.parametrize(
    "changes", [{"attack": ["ALIE"]}, {"benchmark_config": {"f": "two"}}, {"model": {"learning_rate": "fast"}}]
)
def test_a_file_that_is_no_configuration_is_refused_with_a_sentence(changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="not a configuration of ByzFL's benchmark"):
        import_byzfl(config(**changes), GIVEN)

"""From a configuration file of ByzFL's benchmark (byzfl 0.0.11, arXiv 2505.24802) to a study.

A list in such a file is an axis, but for `milestones` and `pre_aggregators`, unless the latter is a list of lists. ByzFL trains
whole models, so the study's method is `fedavg`; DSGD is `fedavg` with one local step: with a client's momentum beta ByzFL's
vector is (1 - beta) times a heavy-ball one, so the learning rate is multiplied by that. Names are looked up in tables, and
whether their kinds and fields exist in the schema. What has no equivalent is refused by name, all at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.fields import section_class
from heron_ray.studies.byzfl_names import ATTACKS, DATA, DISTRIBUTIONS, MODELS, PRE_AGGREGATORS, RULES, F

LOSSES: Final = ("NLLLoss", "CrossEntropyLoss")


@dataclass(slots=True)
class _Report:
    """What could not be taken over, and what is not quite the same."""

    refused: list[SpecIssue] = field(default_factory=list)
    left_out: list[SpecIssue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, path: str, message: str) -> None:
        """Say that nothing can stand for a setting of the whole experiment."""
        self.refused.append(SpecIssue(path=path, message=message))

    def leave_out(self, path: str, message: str) -> None:
        """Say that nothing can stand for one of several."""
        issue = SpecIssue(path=path, message=message)
        self.left_out += [] if issue in self.left_out else [issue]


def import_byzfl(
    config: Mapping[str, Any], given: Mapping[str, Any] | None = None, *, leave_out: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """A study in plain values that does what a ByzFL configuration says.

    Args:
        config: The configuration.
        given: Sections of the experiment (`model`, `data`) that take the place of what has no equivalent.
        leave_out: Leave out rules, attacks, pre-aggregators and distributions without an equivalent, and note them, where
            others of their list remain.

    Returns:
        The study, and sentences about what differs or was left out.

    Raises:
        SpecError: With an issue for everything that has no equivalent; or this is no such configuration.
    """
    try:
        return _import(config, given or {}, leave_out=leave_out)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The file is anybody's: lists where mappings should be, text where numbers should be.
        message = f"this is not a configuration of ByzFL's benchmark: {error}"
        raise SpecError([SpecIssue(path="", message=message)]) from error


def _import(config: Mapping[str, Any], given: Mapping[str, Any], *, leave_out: bool) -> tuple[dict[str, Any], list[str]]:
    report = _Report()
    sections = {
        name: config.get(name) or {} for name in ("benchmark_config", "model", "honest_clients", "evaluation_and_results")
    }
    benchmark, model = sections["benchmark_config"], sections["model"]
    partitions = _cases(_distributions(benchmark), report, "benchmark_config.data_distribution", _partition)
    attacks = _cases(_variants(config.get("attack") or {"name": "NoAttack"}), report, "attack", _attack)
    combinations = _combinations(benchmark)
    rules = _rules(config, combinations, report)
    longest = max(len(rule["aggregation"].get("before", ())) for rule in rules.values()) if rules else 0
    base = _base(sections, given, report)
    algorithm = benchmark.get("training_algorithm") or {"name": "DSGD"}
    optimizers = _optimizers(model, sections["honest_clients"], algorithm)
    wrong = report.refused + ([] if leave_out and partitions and attacks and rules else report.left_out)
    if wrong:
        raise SpecError(wrong, hint="--set model=... or data=... gives these; --leave-out imports what remains of a list")
    notes = [f"left out: {issue}" for issue in report.left_out] + report.notes
    axes = {
        "attack": attacks,
        "rule": rules,
        "distribution": partitions,
        "optimizer": optimizers,
        "byzantine": _byzantine(combinations, algorithm, longest),
    }
    first = int(benchmark.get("training_seed", 0))
    seeds = int(benchmark.get("nb_training_seeds", 1)) * int(benchmark.get("nb_data_distribution_seeds", 1))
    study = {
        "name": f"byzfl {model.get('dataset_name', 'mnist')}",
        "base": base,
        "axes": {name: {"kind": "cases", "cases": cases} for name, cases in axes.items()},
        "seeds": list(range(first, first + seeds)),
        "impossible": "skip",
        "figures": [{"kind": "worst_case", "over": "attack", "rows": "rule", "columns": "distribution"}],
    }
    return study, notes


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _variants(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and parameters of each entry of a list, a list among the parameters being an axis of its own."""
    for entry in _as_list(value):
        parameters = entry.get("parameters") or {}
        for values in itertools.product(*(_as_list(one) for one in parameters.values())):
            yield str(entry.get("name")), dict(zip(parameters, values, strict=True))


def _label(name: str, parameters: Mapping[str, Any]) -> str:
    return " ".join([name, *(f"{key}={value}" for key, value in parameters.items())])


def _cases(
    variants: Iterable[tuple[str, Mapping[str, Any]]], report: _Report, path: str, section: Any
) -> dict[str, dict[str, Any]]:
    cases = {}
    for name, parameters in variants:
        if (settings := section(name, parameters, report, path)) is not None:
            cases[_label(name, parameters)] = settings
    return cases


def _distributions(benchmark: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in _as_list(benchmark.get("data_distribution") or {"name": "iid"}):
        name = str(entry.get("name"))
        if DISTRIBUTIONS.get(name, ({}, "any"))[1] is None:
            yield name, {}
            continue
        for value in _as_list(entry.get("distribution_parameter", 1.0)):
            yield name, {"distribution_parameter": value}


def _partition(name: str, parameters: Mapping[str, Any], report: _Report, path: str) -> dict[str, Any] | None:
    if name not in DISTRIBUTIONS:
        report.leave_out(path, f"{name} has no equivalent")
        return None
    section, parameter = DISTRIBUTIONS[name]
    value = {} if parameter is None else {parameter: float(parameters["distribution_parameter"])}
    return {"partition": {**section, **value}}


def _attack(name: str, parameters: Mapping[str, Any], report: _Report, path: str) -> dict[str, Any] | None:
    if name == "NoAttack":
        return {"attack": None}
    if name not in ATTACKS:
        report.leave_out(path, f"{name} has no equivalent")
        return None
    kind, fields, always = ATTACKS[name]
    if name == "Gaussian" and parameters.get("mu", 0) == 0:
        parameters = {key: value for key, value in parameters.items() if key != "mu"}
    section = _section("attack", kind, fields, parameters, report, f"{path}: {name}", always)
    return None if section is None else {"attack": {**section, "byzantine": 0}}


def _section(
    place: str,
    kind: str,
    fields: Mapping[str, str],
    parameters: Mapping[str, Any],
    report: _Report,
    path: str,
    always: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """A section of that kind with ByzFL's parameters as its fields; f is set by the axis of Byzantine clients."""
    found = section_class(place, kind)
    if found is None:
        report.leave_out(path, f"this heron-ray has no {place}.kind={kind}")
        return None
    unknown = [name for name in parameters if name != F and fields.get(name) not in found.model_fields]
    unknown += [name for name in always or {} if name not in found.model_fields]
    if unknown:
        report.leave_out(path, f"{unknown[0]} has no equivalent in {place}.kind={kind}")
        return None
    section = {"kind": kind, **{fields[name]: value for name, value in parameters.items() if name != F}, **(always or {})}
    return {**section, F: 0} if F in found.model_fields else section


def _rules(config: Mapping[str, Any], combinations: list[tuple[int, int, int]], report: _Report) -> dict[str, dict[str, Any]]:
    """Aggregators crossed with chains of pre-aggregators."""
    chains = config.get("pre_aggregators") or []
    chains = chains if chains and isinstance(chains[0], list) else [chains]
    rules = {}
    for (name, parameters), chain in itertools.product(_variants(config.get("aggregator") or {"name": "Average"}), chains):
        section = _rule(name, parameters, combinations, report)
        for steps in itertools.product(*(list(_variants(entry)) for entry in chain)):
            before = [_pre_aggregator(step, options, report) for step, options in steps]
            if section is not None and all(one is not None for one in before):
                label = " + ".join([*(_label(step, options) for step, options in steps), _label(name, parameters)])
                rules[label] = {"aggregation": {**section, **({"before": before} if before else {})}}
    return rules


def _rule(
    name: str, parameters: Mapping[str, Any], combinations: list[tuple[int, int, int]], report: _Report
) -> dict[str, Any] | None:
    if name not in RULES:
        report.leave_out("aggregator", f"{name} has no equivalent")
        return None
    kind, fields = RULES[name]
    section = _section("aggregation", kind, fields, parameters, report, f"aggregator: {name}")
    if section is None or name != "MultiKrum":
        return section
    kept = {clients - tolerated for clients, _, tolerated in combinations}
    if len(kept) > 1:
        report.leave_out("aggregator: MultiKrum", "its n - f differs between cells: import one f at a time")
        return None
    return {**section, "m": kept.pop()}


def _pre_aggregator(name: str, parameters: Mapping[str, Any], report: _Report) -> dict[str, Any] | None:
    if name not in PRE_AGGREGATORS:
        report.leave_out("pre_aggregators", f"{name} has no equivalent")
        return None
    kind, fields = PRE_AGGREGATORS[name]
    return _section("aggregation.before", kind, fields, parameters, report, f"pre_aggregators: {name}")


def _combinations(benchmark: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    """Clients in all, Byzantine ones, and how many of these rules are told to tolerate: at least as many."""
    found = []
    for honest, f in itertools.product(_as_list(benchmark.get("nb_honest_clients", 10)), _as_list(benchmark.get("f", 0))):
        clients = honest if benchmark.get("set_honest_clients_as_clients", False) else honest + f
        found += [(clients, f, tolerated) for tolerated in _as_list(benchmark.get("tolerated_f", f)) if tolerated >= f]
    return found


def _byzantine(
    combinations: list[tuple[int, int, int]], algorithm: Mapping[str, Any], longest: int
) -> dict[str, dict[str, Any]]:
    share = (algorithm.get("parameters") or {}).get("proportion_selected_clients")
    cases = {}
    for clients, f, tolerated in combinations:
        label = f"f={f}" + (f" tolerated={tolerated}" if tolerated != f else "")
        label += f" n={clients}" if len({one[0] - one[1] for one in combinations}) > 1 else ""
        settings: dict[str, Any] = {"clients.count": clients, "attack.byzantine?": f, "aggregation.f?": tolerated}
        settings |= {f"aggregation.before.{place}.f?": tolerated for place in range(longest)}
        if algorithm.get("name") == "FedAvg" and share is not None:
            settings["clients.per_round"] = max(1, int((clients - f) * share))
        cases[label] = settings
    return cases


def _base(sections: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any], report: _Report) -> dict[str, Any]:
    benchmark, model = sections["benchmark_config"], sections["model"]
    algorithm = benchmark.get("training_algorithm") or {"name": "DSGD"}
    name = algorithm.get("name", "DSGD")
    if name not in ("DSGD", "FedAvg"):
        report.refuse("benchmark_config.training_algorithm", f"{name} has no equivalent")
    train = float(benchmark.get("size_train_set", 0.8))
    if train >= 1 and "data" not in given:
        report.refuse("benchmark_config.size_train_set", "1.0 leaves no validation samples, which every experiment has")
    base = {
        "rounds": benchmark.get("nb_steps", 1000),
        "data": _known(DATA, model.get("dataset_name", "mnist"), "data", "model.dataset_name", given, report),
        "partition": {"kind": "iid"},
        "model": _known(MODELS, model.get("name", "cnn_mnist"), "model", "model.name", given, report),
        "clients": {
            "count": 1,
            "batch_size": sections["honest_clients"].get("batch_size", 32),
            "local_steps": (algorithm.get("parameters") or {}).get("local_steps_per_client", 1) if name == "FedAvg" else 1,
        },
        "method": {
            "kind": "fedavg",
            "client_optimizer": {"kind": "sgd", "lr": 0.1},
            "client_optimizer_lifetime": "round" if name == "FedAvg" else "run",
        },
        "aggregation": {"kind": "mean"},
        "evaluation": {"every": sections["evaluation_and_results"].get("evaluation_delta", 50)},
    }
    if "data" not in given and train < 1:
        base["data"] = {**base["data"], "validation": round(1 - train, 6)}
    if isinstance(base["clients"]["batch_size"], list):
        report.refuse("honest_clients.batch_size", "a list of batch sizes has no equivalent here: import one at a time")
    _training_faults(model, report)
    report.notes += [
        "all clients share the data, Byzantine ones too; ByzFL gives data to honest ones only",
        "training images are neither cropped nor flipped at random; ByzFL does so on CIFAR and Fashion-MNIST",
        "rules and attacks act on updates (minus learning rate times gradient), in ByzFL on gradients, or under FedAvg on "
        "weights: mind the unit of clipping bounds and of noise",
        "the seeds of training and of the data distribution are one here",
    ]
    return base


def _known(
    table: Mapping[str, dict[str, Any]], name: str, section: str, path: str, given: Mapping[str, Any], report: _Report
) -> dict[str, Any]:
    """A section from the command line, or the equivalent of a name."""
    if section in given:
        return dict(given[section])
    if name not in table:
        report.refuse(path, f"{name} has no equivalent: --set {section}=... gives one")
    return dict(table.get(name, {}))


def _training_faults(model: Mapping[str, Any], report: _Report) -> None:
    loss, optimizer = model.get("loss", "NLLLoss"), model.get("optimizer_name", "SGD")
    if loss not in LOSSES:
        report.refuse("model.loss", f"{loss} has no equivalent: experiments minimise the cross-entropy")
    if optimizer != "SGD":
        report.refuse("model.optimizer_name", f"{optimizer} of the server has no equivalent under fedavg")
    if any(rate != 1 for rate in _as_list(model.get("learning_rate_decay", 1.0))) and model.get("milestones"):
        report.refuse("model.learning_rate_decay", "learning rates do not decay at milestones here: set it to 1.0")


def _optimizers(model: Mapping[str, Any], honest: Mapping[str, Any], algorithm: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Learning rates, momenta and weight decays, crossed."""
    is_dsgd = algorithm.get("name", "DSGD") == "DSGD"
    lists = (model.get("learning_rate", 0.1), honest.get("momentum", 0.9), honest.get("weight_decay", 1e-4))
    cases = {}
    for rate, momentum, decay in itertools.product(*(_as_list(value) for value in lists)):
        momentum = momentum if is_dsgd else 0.0
        sgd = {"kind": "sgd", "lr": rate * (1 - momentum), "momentum": momentum, "weight_decay": decay}
        cases[f"lr={rate} momentum={momentum} decay={decay}"] = {"method.client_optimizer": sgd}
    return cases

"""What may stand beside text in an experiment: sequences have no label of their own, and only language models read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heron_ray.spec.gpt2 import Gpt2Model
from heron_ray.spec.partition import FeaturePartition, MixedPartition

if TYPE_CHECKING:
    from heron_ray.spec.experiment import ExperimentSpec


def language_fault(experiment: ExperimentSpec) -> tuple[str, str] | None:
    """The field that text, or its want, makes impossible, and why; None where all is well."""
    data, model = experiment.data, experiment.model
    if isinstance(model, Gpt2Model) != data.is_text:
        way_out = "use data.kind=prose, e2e_nlg, text or synthetic_tokens" if not data.is_text else "use model.kind=gpt2"
        return "model.kind", f"{model.kind} does not read the samples of data.kind={data.kind}: {way_out}"
    if not isinstance(model, Gpt2Model):
        return None
    return _partition_fault(experiment) or _method_fault(experiment, model) or _attack_fault(experiment)


def _partition_fault(experiment: ExperimentSpec) -> tuple[str, str] | None:
    partition = experiment.partition
    if isinstance(partition, FeaturePartition):
        return "partition.kind", "feature changes numbers, and a sample of text is made of tokens: use natural, iid or quantity"
    parts = [part.partition for part in partition.parts] if isinstance(partition, MixedPartition) else [partition]
    for part in parts:
        if part.looks_at_labels:
            return "partition.kind", (
                f"{part.kind} divides samples by their labels, and sequences of text have none: use natural (by document), iid "
                "or quantity"
            )
    return None


def _method_fault(experiment: ExperimentSpec, model: Gpt2Model) -> tuple[str, str] | None:
    method = experiment.method
    if method.kind == "fedgkt":
        return "method.kind", "fedgkt keeps the logits of every sample, which are too many for text: use another method"
    if method.kind == "fsl_sage" and model.lora is not None and model.auxiliary.blocks == 0:
        return "model.auxiliary.blocks", "0 leaves the auxiliary head no adapter that fsl_sage could align: use at least 1"
    if method.objective != "cross_entropy":
        return "method.objective", f"{method.objective} is about classes, not tokens: use cross_entropy"
    if experiment.compute.compile:
        return "compute.compile", "gpt2 is not compiled: use false"
    return None


def _attack_fault(experiment: ExperimentSpec) -> tuple[str, str] | None:
    attack = experiment.attack
    if attack is not None and attack.kind in ("label_flip", "backdoor"):
        return (
            "attack.kind",
            f"{attack.kind} acts on the labels of samples, and sequences of text have none: use another attack",
        )
    return None

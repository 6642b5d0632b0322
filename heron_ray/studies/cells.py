"""The experiments that a study comes to: one cell for every combination of the labels of its axes."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec import ExperimentSpec, apply_overrides, parse_spec
from heron_ray.spec.fields import kind_of, sections_at
from heron_ray.spec.study import SEED, StudySpec

LONGEST_NAME = 200
MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One experiment of a study.

    Attributes:
        labels: Axis to label; the seed last.
        spec: The experiment; None where no valid spec has these labels.
        impossible: Why there is none.
    """

    labels: Mapping[str, str]
    spec: ExperimentSpec | None
    impossible: str | None = None

    @functools.cached_property
    def key(self) -> str | None:
        """The trajectory hash: what results are kept under. Cells with equal ones are one experiment and run once."""
        return None if self.spec is None else self.spec.trajectory_hash()


def labels_of(study: StudySpec) -> list[dict[str, str]]:
    """The labels of every cell, in the order in which `expand` has them."""
    settings = study.settings()
    return [dict(zip(settings, labels, strict=True)) for labels in itertools.product(*settings.values())]


def expand(study: StudySpec, only: Mapping[str, Sequence[str]] | None = None) -> list[Cell]:
    """Every cell, validated.

    Args:
        study: The study.
        only: Axis to the labels that are wanted; an axis that is not named keeps all of its labels.

    Raises:
        SpecError: `only` names what the study has not, or cells are impossible and the study does not skip such; then with an
            issue for every cell, seeds aside.
    """
    wanted = _chosen(study, only or {})
    cells = [_cell(study, dict(zip(wanted, labels, strict=True)), wanted) for labels in itertools.product(*wanted.values())]
    if study.impossible == "refuse":
        _refuse_impossible(cells)
    return cells


def _chosen(study: StudySpec, only: Mapping[str, Sequence[str]]) -> dict[str, dict[str, dict[str, Any]]]:
    settings = study.settings()
    for name, labels in only.items():
        if name not in settings:
            raise SpecError([SpecIssue(path=name, message=f"the study has no such axis; it has {', '.join(settings)}")])
        unknown = [label for label in labels if label not in settings[name]]
        if unknown:
            message = f"no label {unknown[0]!r}; there are: {', '.join(settings[name])}"
            raise SpecError([SpecIssue(path=f"axes.{name}", message=message)])
        settings[name] = {label: settings[name][label] for label in settings[name] if label in labels}
    return settings


def _cell(study: StudySpec, labels: dict[str, str], settings: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Cell:
    words = ", ".join(f"{name}={label}" for name, label in labels.items())
    try:
        axes = (setting for name, label in labels.items() for setting in settings[name][label].items())
        raw = _apply(study.base, itertools.chain(study.given.items(), axes))
        spec = parse_spec({**raw, "name": f"{study.name}: {words}"[:LONGEST_NAME]})
    except SpecError as error:
        return Cell(labels=labels, spec=None, impossible="; ".join(str(issue) for issue in error.issues))
    return Cell(labels=labels, spec=spec)


def _apply(base: Mapping[str, Any], overrides: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A changed copy of the base. Paths may lead into lists, and with ? at their end are for sections that have the field."""
    raw = copy.deepcopy(dict(base))
    for path, value in overrides:
        steps = path.removesuffix("?").split(".")
        if not path.endswith("?") and not any(step.isdigit() for step in steps):
            raw, _ = apply_overrides(raw, [(path, value)])
        elif (holder := _holder(raw, steps)) is not None:
            holder[steps[-1]] = copy.deepcopy(value)
        elif not path.endswith("?"):
            raise SpecError([SpecIssue(path=path, message="this cell's spec has no such place")])
    return raw


def _holder(raw: dict[str, Any], steps: Sequence[str]) -> dict[str, Any] | None:
    """The mapping that a path's last step is a field of; None where the spec has none there or the field is not its."""
    holder: Any = raw
    for step in steps[:-1]:
        if isinstance(holder, list) and step.isdigit() and int(step) < len(holder):
            holder = holder[int(step)]
        elif isinstance(holder, dict):
            holder = holder.get(step)
        else:
            return None
    if not isinstance(holder, dict):
        return None
    sections = sections_at(".".join(step for step in steps[:-1] if not step.isdigit()))
    if not sections:
        # Options of a plug-in: what is written there is all that is known of them.
        return holder if steps[-1] in holder else None
    owns = any(steps[-1] in one.model_fields for one in sections if kind_of(one) in (None, holder.get("kind")))
    return holder if owns else None


def _refuse_impossible(cells: Sequence[Cell]) -> None:
    faults: dict[str, str] = {}
    for cell in cells:
        if cell.impossible is not None:
            words = ", ".join(f"{name}={label}" for name, label in cell.labels.items() if name != SEED)
            faults.setdefault(words, cell.impossible)
    issues = [SpecIssue(path=f"cell {words}", message=fault) for words, fault in itertools.islice(faults.items(), MOST_NAMED)]
    if len(faults) > MOST_NAMED:
        issues.append(SpecIssue(path="", message=f"and {len(faults) - MOST_NAMED} more cells"))
    if issues:
        raise SpecError(issues, hint="mend the axes, or set impossible: skip to leave such cells out")

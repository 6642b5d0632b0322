"""Whether a space fits the schema and the experiment that a sweep varies, before anything is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec import ExperimentSpec, apply_overrides, parse_spec
from heron_ray.spec.paths import require_known_paths
from heron_ray.spec.space import SearchSpace
from heron_ray.spec.sweep import SweepSpec
from tune_spaces.grid import grid_points


def require_fit(sweep: SweepSpec, base: Mapping[str, Any]) -> ExperimentSpec:
    """Try the ends of every axis on a spec in plain values, which need not be valid without the space.

    Returns:
        The spec at the first end of every axis.

    Raises:
        SpecError: A path leads nowhere, a value is refused there, or a grid has too few samples; one issue per fault.
    """
    space = sweep.space
    require_known_paths((*space.given, *space.axes), prefix="space.")
    issues: dict[str, SpecIssue] = {}
    for overrides in _extremes(space):
        try:
            trial_spec(base, space, overrides)
        except SpecError as error:
            issues |= {str(issue): issue for issue in error.issues}
    if issues:
        raise SpecError(
            list(issues.values()), hint=f"the spec does not fit the space {space.name!r} over {', '.join(space.axes)}"
        )
    if sweep.search == "grid":
        grid_points(space.axes, sweep.samples)
    return trial_spec(base, space, next(_extremes(space)))


def extreme_specs(space: SearchSpace, base: Mapping[str, Any]) -> Iterator[ExperimentSpec]:
    """The trials at the ends of every axis, one axis after the other: no field of a trial lies outside of theirs."""
    for overrides in _extremes(space):
        yield trial_spec(base, space, overrides)


def trial_spec(base: Mapping[str, Any], space: SearchSpace, overrides: Mapping[str, Any]) -> ExperimentSpec:
    """The experiment of one trial. Raises SpecError."""
    changed, _ = apply_overrides(base, [*space.given.items(), *overrides.items()])
    return parse_spec(changed)


def _extremes(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """Every end of every axis, with the first end of the others; the first ends of all come first.

    Where an axis hangs on others, these have the first values with which it is there.
    """
    first = {path: axis.ends[0] for path, axis in space.axes.items()}
    for path, axis in space.axes.items():
        for value in axis.ends:
            yield space.present({**first, **_needed(space, path), path: value})


def _needed(space: SearchSpace, path: str) -> dict[str, Any]:
    """Values of other axes with which an axis is there."""
    found: dict[str, Any] = {}
    for parent, values in space.axes[path].when.items():
        if parent in space.axes:
            found |= {**_needed(space, parent), parent: values[0]}
    return found

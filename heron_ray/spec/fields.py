"""The fields of specs: which classes are behind a path, and plain values without some of them."""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterator
from typing import Any

from heron_ray.spec.experiment import ExperimentSpec
from heron_ray.spec.section import Section


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Every section class that a field's annotation allows."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple, typing.Annotated):
        for argument in typing.get_args(annotation):
            yield from sections_in(argument)
    elif isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation


def kind_of(section: type[Section]) -> str | None:
    """The `kind` by which a section is told apart from its siblings, if it has one."""
    field = section.model_fields.get("kind")
    return str(typing.get_args(field.annotation)[0]) if field is not None else None


def sections_at(path: str) -> list[type[Section]]:
    """The section classes that may stand at a dotted path; empty where the path leads nowhere."""
    candidates: list[type[Section]] = [ExperimentSpec]
    for name in path.split(".") if path else []:
        fields = [section.model_fields[name] for section in candidates if name in section.model_fields]
        candidates = [section for field in fields for section in sections_in(field.annotation)]
    return list(dict.fromkeys(candidates))


def section_class(path: str, kind: Any) -> type[Section] | None:
    """The section class at a dotted path with that `kind`."""
    return next((section for section in sections_at(path) if kind_of(section) == kind), None)


def without_fields(value: Any, names: Collection[str]) -> Any:
    """Plain values, as in a spec's canonical form, without the fields of these names, however deep they are."""
    if isinstance(value, dict):
        return {name: without_fields(inner, names) for name, inner in value.items() if name not in names}
    return [without_fields(inner, names) for inner in value] if isinstance(value, list) else value

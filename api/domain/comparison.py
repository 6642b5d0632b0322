"""What tells experiments apart: the values of their specs that differ, and their figures side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def by_path(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no mapping, with its dotted path.

    >>> dict(by_path({"rounds": 3, "method": {"kind": "heron"}}))
    {'rounds': 3, 'method.kind': 'heron'}
    """
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from by_path(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, inner


def differences(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By path, the values of those specs that have it, by id; paths at which all agree are left out."""
    found = _side_by_side(specs)
    return {path: values for path, values in found.items() if len(values) < len(specs) or not _agree(list(values.values()))}


def figures(results: Mapping[str, Mapping[str, Any] | None]) -> dict[str, dict[str, float]]:
    """By path, every number of those results that have it, by id."""
    found = _side_by_side({id: result or {} for id, result in results.items()})
    numbers = {path: {id: value for id, value in values.items() if _is_number(value)} for path, values in found.items()}
    return {path: values for path, values in numbers.items() if values}


def _side_by_side(mappings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for id, mapping in mappings.items():
        for path, value in by_path(mapping):
            found.setdefault(path, {})[id] = value
    return found


def _agree(values: list[Any]) -> bool:
    return all(value == values[0] and isinstance(value, bool) == isinstance(values[0], bool) for value in values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""What tells experiments apart: the values of their specs that differ, and their figures side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

# Experiments that differ in these alone are one group.
UNSEEN = ("name", "seed")
MOST_TOLD = 3
LONGEST = 30


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


def labels(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What to call each experiment in a legend: its name where no other has it, else its name and the end of its id."""
    names = Counter(spec["name"] for spec in specs.values())
    return {id: spec["name"] if names[spec["name"]] == 1 else f"{spec['name']} {id[-4:]}" for id, spec in specs.items()}


def group_labels(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """By id, what to call the experiments that share its spec but for seed and name.

    A group is called by what tells it from the others, at most `MOST_TOLD` values, or by the name of its first experiment.

    >>> specs = {i: {"name": i, "seed": n, "rounds": r} for i, n, r in (("a", 0, 5), ("b", 1, 5), ("c", 0, 9))}
    >>> group_labels(specs)
    {'a': 'rounds 5', 'b': 'rounds 5', 'c': 'rounds 9'}
    """
    stripped = {id: {name: value for name, value in spec.items() if name not in UNSEEN} for id, spec in specs.items()}
    keys = {id: json.dumps(spec, sort_keys=True) for id, spec in stripped.items()}
    firsts: dict[str, str] = {}
    for id, key in keys.items():
        firsts.setdefault(key, id)
    told = differences({id: stripped[id] for id in firsts.values()})
    found: dict[str, str] = {}
    for key, id in firsts.items():
        words = [
            f"{path.removesuffix('.kind').rpartition('.')[2]} {_brief(values[id])}"
            for path, values in told.items()
            if id in values
        ]
        label = ", ".join(words[:MOST_TOLD]) or specs[id]["name"]
        # What is cut off may be all that tells two apart.
        found[key] = label if label not in found.values() else f"{label} ({id[-4:]})"
    return {id: found[key] for id, key in keys.items()}


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


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

"""Conditions on the values of a spec, such as `method.zeroth_order.mu>=1e-4`.

They are judged here and not by the database, so that every database answers alike.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec import parse_yaml
from heron_ray.spec.paths import require_known_paths

Scalar: TypeAlias = str | int | float | bool | None

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "=": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
)
_WRITTEN = re.compile(r"\s*([A-Za-z0-9_.]+)\s*(!=|<=|>=|==?|<|>)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison.

    Attributes:
        path: Dotted path into the spec.
        comparison: `=`, `!=`, `<`, `<=`, `>` or `>=`.
        value: What the spec's value is compared with.
    """

    path: str
    comparison: str
    value: Scalar

    def holds(self, spec: Mapping[str, Any]) -> bool:
        """Whether it holds of a spec in canonical form.

        It never holds of a spec without the path, nor between values of different types (of numbers there is one). In a
        list it holds where it holds of one element.

        >>> Condition(path="clients.count", comparison=">=", value=10).holds({"clients": {"count": 10.0}})
        True
        """
        compare = _COMPARISONS[self.comparison]
        return any(
            compare(found, self.value)
            for found in _values(spec, self.path.split("."))
            if _type_of(found) == _type_of(self.value)
        )


def parse_conditions(texts: Sequence[str]) -> tuple[Condition, ...]:
    """From `path=value`, `path!=value`, `path<value`, `path<=value`, `path>value`, `path>=value`; values are YAML.

    Raises:
        SpecError: One cannot be read, its value is no single one, or no spec has its path; one issue per fault.
    """
    conditions = tuple(_parse(text) for text in texts)
    require_known_paths([condition.path for condition in conditions], prefix="where.")
    return conditions


def _parse(text: str) -> Condition:
    written = _WRITTEN.fullmatch(text)
    if written is None:
        message = f"a condition reads path=value or path>=value, such as method.zeroth_order.mu>=1e-4; got {text[:200]!r}"
        raise SpecError([SpecIssue(path="where", message=message)])
    path, comparison, rest = written.groups()
    comparison = comparison.replace("==", "=")
    value = parse_yaml(rest, origin=f"the value of {path}")
    kind = _type_of(value)
    if kind is None:
        raise SpecError([SpecIssue(path=f"where.{path}", message="compare with one number, text, true, false or null")])
    if comparison not in ("=", "!=") and kind not in ("number", "text"):
        raise SpecError([SpecIssue(path=f"where.{path}", message=f"{comparison} takes a number or a text, not {rest.strip()}")])
    return Condition(path=path, comparison=comparison, value=value)


def _type_of(value: object) -> str | None:
    """What may be compared with what; None for what cannot be compared."""
    # A bool is an int to Python, and 1 is not true to a spec.
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = ((bool, "bool"), ((int, float), "number"), (str, "text"))
    return "null" if value is None else next((name for types, name in kinds if isinstance(value, types)), None)


def _values(value: Any, steps: Sequence[str]) -> Iterator[Any]:
    """What stands at a path; in lists, at that path of every element."""
    if isinstance(value, list):
        for element in value:
            yield from _values(element, steps)
    elif not steps:
        yield value
    elif isinstance(value, Mapping) and steps[0] in value:
        yield from _values(value[steps[0]], steps[1:])

"""From foreign text to a valid `ExperimentSpec`, or to a `SpecError` that names every fault by dotted path."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.experiment import SCHEMA_VERSION, ExperimentSpec
from heron_ray.spec.fields import kind_of, sections_in
from heron_ray.spec.overrides import apply_overrides
from heron_ray.spec.section import Section

MOST_VALUES = 100_000
LONGEST_ECHO = 200
MOST_ISSUES = 50


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but `1e-3` is a number, as in JSON."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)


def parse_yaml(text: str, *, origin: str = "spec") -> Any:
    """The value of a YAML or JSON text. Raises SpecError naming `origin` and, where it is known, line and column."""
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML lets impossible dates, huge integers and deep nesting out as they are.
        raise SpecError(
            [SpecIssue(path="", message=f"{origin} is not valid YAML: {_brief(' '.join(str(error).split()))}")]
        ) from None
    if _is_too_large(value):
        message = f"{origin} comes to more than {MOST_VALUES:,} values with its aliases written out"
        raise SpecError([SpecIssue(path="", message=message)])
    return value


def _is_too_large(value: Any) -> bool:
    """Whether there are more values than any spec has: a few lines of YAML whose aliases multiply can stand for billions."""
    waiting, seen = [value], 0
    while waiting and seen <= MOST_VALUES:
        value = waiting.pop()
        seen += 1
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return seen > MOST_VALUES


def read_spec_file(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file, not yet validated. Raises SpecError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([SpecIssue(path="", message=f"cannot read spec file {path}: {error}")]) from None
    return _require_mapping(parse_yaml(text, origin=str(path)), str(path))


def parse_spec(raw: object) -> ExperimentSpec:
    """Validate a mapping of plain values (as from JSON or YAML) as a whole.

    Raises:
        SpecError: With one issue per fault.
    """
    mapping = _require_mapping(raw, "a spec")
    version = mapping.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        message = f"{version} is newer than this heron-ray knows ({SCHEMA_VERSION})"
        raise SpecError([SpecIssue(path="schema_version", message=message)], hint="upgrade heron-ray")
    try:
        text = json.dumps(mapping)
    except (TypeError, ValueError) as error:
        raise SpecError([SpecIssue(path="", message=f"not plain JSON values: {error}")]) from None
    try:
        return ExperimentSpec.model_validate_json(text)
    except ValidationError as error:
        details = error.errors()
        issues = [_issue(detail, mapping) for detail in details[:MOST_ISSUES]]
        if len(details) > MOST_ISSUES:
            issues.append(SpecIssue(path="", message=f"and {len(details) - MOST_ISSUES} more"))
        raise SpecError(issues) from None


def load_spec(path: Path, overrides: Sequence[str] = ()) -> tuple[ExperimentSpec, list[str]]:
    """Read a spec file, apply `path=value` overrides, validate once.

    Returns:
        The spec, and a sentence for every field that an override dropped.

    Raises:
        SpecError: The file, an override or the result is not valid.
    """
    mapping, notes = apply_overrides(read_spec_file(path), [parse_override(text) for text in overrides])
    return parse_spec(mapping), notes


def parse_override(text: str) -> tuple[str, Any]:
    """Split `dotted.path=YAML value`. Raises SpecError where there is no `=`."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        message = f"an override reads path=value, such as method.zeroth_order.mu=1e-4; got {text!r}"
        raise SpecError([SpecIssue(path=path, message=message)])
    return path.strip(), parse_yaml(value, origin=f"the value of {path}")


def _require_mapping(value: object, origin: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise SpecError([SpecIssue(path="", message=f"{origin} must be a mapping of names to values, not {_type_name(value)}")])
    return dict(value)


def _type_name(value: object) -> str:
    return {dict: "a mapping", list: "a list", str: "text", type(None): "nothing"}.get(type(value), type(value).__name__)


def _issue(detail: ErrorDetails, data: Any) -> SpecIssue:
    context = detail.get("ctx", {})
    if detail["type"] == "contradiction":
        return SpecIssue(path=context["path"], message=context["message"])
    path, holder = _follow(detail["loc"], data)
    message = detail["msg"]
    suggestion = None
    if detail["type"] == "extra_forbidden":
        names = sorted(holder.model_fields) if holder is not None else []
        suggestion = _nearest(path[-1], names)
        message = f"unknown field; valid here: {', '.join(names)}"
    elif detail["type"] in ("union_tag_invalid", "literal_error"):
        expected = re.findall(r"'([^']*)'", context.get("expected_tags") or context.get("expected", ""))
        if detail["type"] == "union_tag_invalid":
            path = [*path, "kind"]
        value = detail["input"].get("kind") if isinstance(detail["input"], dict) else detail["input"]
        suggestion = _nearest(str(value), expected)
        message = f"{_brief(repr(value))} is not one of {', '.join(expected)}"
    elif detail["type"] == "union_tag_not_found":
        path = [*path, "kind"]
        message = "Field required"
    elif detail["type"] != "missing":
        message = f"{message}, got {_brief(repr(detail['input']))}"
    return SpecIssue(path=_brief(".".join(path)), message=message, suggestion=suggestion)


def _brief(text: str) -> str:
    """At most 200 characters: an error must not send a huge input back."""
    return text if len(text) <= LONGEST_ECHO else f"{text[:LONGEST_ECHO]}..."


def _nearest(name: str, names: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.5)), None)


def _follow(location: tuple[int | str, ...], data: Any) -> tuple[list[str], type[Section] | None]:
    """Walk an error's location. Drops the union tags pydantic puts in it; returns the path and the class that holds its end."""
    path: list[str] = []
    holder: type[Section] | None = ExperimentSpec
    current: type[Section] | None = ExperimentSpec
    annotation: Any = None
    for step in location:
        is_tag = isinstance(data, dict) and step not in data and data.get("kind") == step
        if is_tag:
            continue
        path.append(str(step))
        holder = current
        field = holder.model_fields.get(str(step)) if holder is not None else None
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            data = None
        if field is not None:
            annotation = field.annotation
            current = _section_for(annotation, data)
        elif isinstance(step, int):
            current = _section_for(annotation, data)
        else:
            current = None
    return path, holder


def _section_for(annotation: Any, data: Any) -> type[Section] | None:
    """The section class that `data` claims to be, among those an annotation allows."""
    sections = list(sections_in(annotation))
    kind = data.get("kind") if isinstance(data, dict) else None
    alternatives = sections if len(sections) == 1 else [section for section in sections if kind_of(section) == kind]
    return alternatives[0] if alternatives else None

"""The dotted paths that specs have, for what names a field without having a spec at hand."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Final

from heron_ray.errors import SpecError, SpecIssue
from heron_ray.spec.experiment import ExperimentSpec
from heron_ray.spec.fields import sections_in
from heron_ray.spec.section import Section

OPEN: Final = ("model.options.", "data.options.")
"""What a plug-in's options are, only the plug-in knows: it refuses strangers when the spec is read."""


def require_known_paths(paths: Iterable[str], *, prefix: str) -> None:
    """Raise SpecError, with one issue per path that no valid spec has; `prefix` goes before the path in its issue."""
    known = list(dict.fromkeys(_paths("", ExperimentSpec)))
    wrong = [_unknown(path, known, prefix) for path in paths if path not in known and not path.startswith(OPEN)]
    if wrong:
        raise SpecError(wrong, hint="heron schema prints every field")


def _unknown(path: str, known: list[str], prefix: str) -> SpecIssue:
    near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
    return SpecIssue(path=f"{prefix}{path}", message="no spec has this field", suggestion=near[0] if near else None)


def _paths(prefix: str, section: type[Section]) -> Iterator[str]:
    """Every dotted path that some valid spec has."""
    for name, field in section.model_fields.items():
        yield prefix + name
        for inner in sections_in(field.annotation):
            yield from _paths(f"{prefix}{name}.", inner)

"""Routes of specs before they are submitted: the schema, ready ones to start from, and what is wrong with one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from api.routes.examples import example_spec
from api.routes.experiments import PolicyParameter
from api.routes.problems import Issue, refusals
from heron_ray.errors import PolicyError, SpecError, SpecIssue
from heron_ray.spec import ExperimentSpec, parse_spec, parse_yaml, read_spec_file

# Beside `api/` in a checkout and in the image; an installed wheel has none, and then there is nothing to start from.
READY = Path(__file__).parents[2] / "experiments"

router = APIRouter(prefix="/v1/specs", tags=["specs"])


class Draft(BaseModel):
    """A spec that may not be finished: as a value, or as the text of a YAML file."""

    model_config = ConfigDict(extra="forbid")

    spec: Any = Field(default=None, description="As for a submission.", json_schema_extra={"type": ["object", "null"]})
    # A spec has a few thousand characters; YAML takes long to read.
    text: str | None = Field(default=None, max_length=100_000, description="YAML or JSON, in place of `spec`.")


class Verdict(BaseModel):
    """What is wrong with a draft, or what it stands for."""

    valid: bool
    issues: list[Issue] = Field(description="Every fault found; none where it is valid.")
    hint: str | None = Field(default=None, description="The way out, where one can be said.")
    draft: dict[str, Any] | None = Field(description="What `text` says, or `spec` as it was sent; null where it is no mapping.")
    complete: dict[str, Any] | None = Field(
        default=None, description="The spec with every default filled in, where it is valid."
    )
    spec_hash: str | None = Field(default=None, description="SHA-256 over that.")


class ReadySpec(BaseModel):
    """A spec to start from."""

    path: str = Field(description="Below the folder of ready specs, which names it.")
    description: str = Field(description="The comment it begins with.")
    spec: dict[str, Any]


class ReadySpecs(BaseModel):
    """Those that come with heron-ray."""

    specs: list[ReadySpec]


@router.get("/schema")
def show_schema() -> dict[str, Any]:
    """Show the JSON Schema of a spec, as `heron schema` prints it: every field with description, unit and bounds."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ExperimentSpec.model_json_schema()}


@router.get("/ready")
def list_ready_specs() -> ReadySpecs:
    """List the ready specs that come with heron-ray; none where it was installed without them."""
    return ReadySpecs(specs=list(_ready()))


@router.post("/validate", responses=refusals(400, 413, 415, 422))
def validate_spec(draft: Annotated[Draft, Body(examples=[{"spec": example_spec()}])], policy: PolicyParameter) -> Verdict:
    """Validate a draft without submitting it: every fault by dotted path, and whether this service would take it.

    A draft with faults is an answer like any other: 200, with `valid` false.
    """
    mapping: dict[str, Any] | None = None
    try:
        value = draft.spec if draft.text is None else parse_yaml(draft.text, origin="the text")
        mapping = _plain(value)
        spec = parse_spec(value)
        policy.require(spec)
    except (SpecError, PolicyError) as error:
        issues = [Issue(path=_sendable(i.path), message=_sendable(i.message), suggestion=i.suggestion) for i in error.issues]
        return Verdict(valid=False, issues=issues, hint=error.hint, draft=mapping)
    return Verdict(valid=True, issues=[], draft=mapping, complete=spec.canonical(), spec_hash=spec.spec_hash())


def _plain(value: object) -> dict[str, Any] | None:
    """The mapping, if JSON can carry it. YAML also has dates, sets, keys that are no text and numbers that are none."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError) as error:
        raise SpecError([SpecIssue(path="", message=f"not plain JSON values: {error}")]) from None
    plain = json.loads(text)
    return plain if isinstance(plain, dict) else None


def _sendable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _ready() -> Iterator[ReadySpec]:
    """Files that are no spec of an experiment, such as studies, are passed over."""
    for path in sorted(READY.rglob("*.yaml")):
        try:
            mapping = read_spec_file(path)
            parse_spec(mapping)
        except SpecError:
            continue
        comment = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            comment.append(line.lstrip("# "))
        yield ReadySpec(path=path.relative_to(READY).as_posix(), description=" ".join(comment), spec=mapping)

"""Writes the pages of this folder from the code: `make reference`. A test fails where they are out of date.

spec.md from the JSON Schema of a spec, study.md from that of a study, commands.md from the command line, rest.md from the
OpenAPI document.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/reference/generate.py: change the code, not this page. -->"
Schema = Mapping[str, Any]


def pages() -> dict[str, str]:
    """Name of each page to what it has to hold."""
    from heron_ray.spec import ExperimentSpec
    from heron_ray.spec.study import StudySpec

    spec, study = ExperimentSpec.model_json_schema(), StudySpec.model_json_schema()
    return {
        "spec.md": _page("The spec", "`heron schema` prints the same as JSON Schema.", _schema(spec)),
        "study.md": _page("The study", "`heron schema --study` prints the same as JSON Schema.", _schema(study)),
        "commands.md": _page("The command line", "Every verb also has `--help`.", _commands()),
        "rest.md": _page("The REST API", "A service shows the same at `/docs`, with examples.", _routes()),
    }


def _page(title: str, words: str, lines: Iterator[str]) -> str:
    text = "\n".join([NOTE, "", f"# {title}", "", words, "", *lines])
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"


def _table(*names: str) -> list[str]:
    return [_row(*names), "|" + "---|" * len(names)]


class Sections:
    """The object schemas of a JSON Schema document as pydantic writes it, each under a heading that others link to."""

    def __init__(self, schemas: Mapping[str, Schema], top: Schema | None = None) -> None:
        """Find the headings: of what a field of `top` holds, the field and the kind; of all else its own name."""
        self._schemas = schemas
        self.found = {name: one for name, one in schemas.items() if "properties" in one}
        self.headings: dict[str, str] = {}
        for field, value in (top or {}).get("properties", {}).items():
            for name in _references(value):
                kind = self._kind(name)
                self.headings.setdefault(name, field if kind is None else f"{field}: {kind}")
        self.own = [name for name in self.headings if name in self.found]
        for name in self.found:
            self.headings.setdefault(name, name)

    def describe(self, name: str, level: int) -> Iterator[str]:
        """One section under its heading."""
        section = self.found[name]
        yield from ("", f"{'#' * level} {self.headings[name]}", "", _prose(section.get("description", "")), "")
        yield from self.fields(section)

    def fields(self, section: Schema) -> Iterator[str]:
        """The table of a section's fields."""
        required = section.get("required", ())
        yield from _table("field", "value", "default", "")
        for name, value in section["properties"].items():
            yield _row(f"`{name}`", self.type(value), _default(value, name in required), _prose(value.get("description", "")))

    def type(self, value: Schema) -> str:
        """What a field may be, in words and links."""
        if "const" in value:
            return f"`{value['const']}`"
        if "enum" in value:
            return " or ".join(f"`{_plain(one)}`" for one in value["enum"])
        if "$ref" in value:
            return self._link(value["$ref"].rpartition("/")[2])
        for key in ("anyOf", "oneOf", "allOf"):
            if key in value:
                return " or ".join(dict.fromkeys(self.type(one) for one in value[key]))
        if value.get("type") == "array":
            items = self.type(value.get("items") or next(iter(value.get("prefixItems", ())), {}))
            return f"list of ({items})" if "," in items else f"list of {items}"
        if value.get("type") == "object":
            inner = value.get("additionalProperties")
            return f"mapping to {self.type(inner)}" if isinstance(inner, Mapping) else "mapping"
        return f"{value.get('type', 'any')}{_bounds(value)}"

    def _link(self, name: str) -> str:
        heading = self.headings.get(name)
        if heading is None:
            return self.type(self._schemas[name])
        anchor = re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")
        return f"[{self._kind(name) or heading}](#{anchor})"

    def _kind(self, name: str) -> str | None:
        kind = self.found.get(name, {}).get("properties", {}).get("kind", {}).get("const")
        return None if kind is None else str(kind)


def _schema(schema: Schema) -> Iterator[str]:
    sections = Sections(schema["$defs"], schema)
    yield from sections.fields(schema)
    for name in sections.own:
        yield from sections.describe(name, 2)
    inner = sorted(set(sections.found) - set(sections.own))
    if inner:
        yield from ("", "## Sections within sections")
    for name in inner:
        yield from sections.describe(name, 3)


def _references(value: Any) -> Iterator[str]:
    """The sections that a field may hold directly."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for key in ("anyOf", "oneOf", "allOf"):
            for one in value.get(key, ()):
                yield from _references(one)


def _bounds(value: Schema) -> str:
    if "minimum" in value and "maximum" in value:
        return f", {_number(value['minimum'])} to {_number(value['maximum'])}"
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    words = [f"{sign} {_number(value[key])}" for key, sign in signs.items() if key in value]
    return f", {' and '.join(words)}" if words else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default(value: Schema, is_required: bool) -> str:
    if is_required:
        return "**required**"
    if isinstance(value.get("default"), dict):
        return "as its fields"
    return f"`{_plain(value['default'])}`" if "default" in value else ""


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _prose(text: str) -> str:
    """A docstring's words on one line, safe in a table of Markdown."""
    return " ".join(text.split()).replace("<", "&lt;").replace("*", "\\*")


def _commands() -> Iterator[str]:
    from heron_ray.cli.main import heron

    context = click.Context(heron, info_name="heron", **heron.context_settings)
    yield from _code(heron.help or "")
    yield from _verbs(heron, context, 2)


def _verbs(group: click.Group, context: click.Context, level: int) -> Iterator[str]:
    for name in group.list_commands(context):
        if (verb := group.get_command(context, name)) is None:
            continue
        inner = click.Context(verb, info_name=name, parent=context)
        formatter = click.HelpFormatter(width=120)
        verb.format_help(inner, formatter)
        yield from ("", f"{'#' * level} {inner.command_path}", "", *_code(formatter.getvalue()))
        if isinstance(verb, click.Group):
            yield from _verbs(verb, inner, level + 1)


def _code(text: str) -> Iterator[str]:
    yield from ("```text", *(line.rstrip() for line in text.strip("\n").splitlines()), "```")


def _routes() -> Iterator[str]:
    from tempfile import TemporaryDirectory

    from api.routes import create_app
    from api.settings import Settings
    from api.store import Store

    with TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/heron.db")
        document = create_app(Settings(), store).openapi()
        store.close()
    sections = Sections(document["components"]["schemas"])
    tags: dict[str, list[Iterator[str]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            told = _route(f"{method.upper()} {path}", operation, sections)
            tags.setdefault(next(iter(operation.get("tags", ())), "other"), []).append(told)
    for tag, routes in tags.items():
        yield from ("", f"## {tag}")
        for route in routes:
            yield from route
    yield from ("", "## Bodies and answers")
    for name in sorted(sections.found):
        yield from sections.describe(name, 3)


def _route(title: str, operation: Schema, sections: Sections) -> Iterator[str]:
    yield from ("", f"### {title}", "", _prose(operation.get("description") or operation.get("summary", "")), "")
    yield f"Operation `{operation['operationId']}`."
    body = _content(operation.get("requestBody", {}))
    if body:
        yield f"Body: {sections.type(body)}."
    if operation.get("parameters"):
        yield from ("", *_table("parameter", "in", "value", "default", ""))
    for one in operation.get("parameters", ()):
        default = _default(one["schema"], one.get("required", False))
        yield _row(f"`{one['name']}`", one["in"], sections.type(one["schema"]), default, _prose(one.get("description", "")))
    answers = {code: _content(answer) for code, answer in operation["responses"].items()}
    yield ""
    for code, body in answers.items():
        if code < "300":
            told = operation["responses"][code]["description"]
            words = "" if told == "Successful Response" else f": {_prose(told)}"
            yield f"- {code}{f', {sections.type(body)}' if body else ''}{words}"
    yield f"- refused with a problem document: {', '.join(sorted(code for code in answers if code >= '300'))}"


def _content(of: Schema) -> Schema:
    """The schema of a body's first form."""
    found: Schema = next(iter(of.get("content", {}).values()), {}).get("schema", {})
    return found


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}: {len(text.splitlines())} lines\n")


if __name__ == "__main__":
    main()

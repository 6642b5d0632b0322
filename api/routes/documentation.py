"""The page at /docs: every route with a command that works when pasted.

It is drawn from the OpenAPI document on the server, so it needs no scripts and no network; `/openapi.json` is there
for tools.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
pre { background: #f4f4f4; padding: 0.8rem; overflow-x: auto; white-space: pre-wrap; }
code { font-family: ui-monospace, monospace; } h2 { margin-top: 2.5rem; font-size: 1.1rem; }
td { padding: 0 1rem 0.2rem 0; vertical-align: top; }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd; } pre { background: #2a2a2a; } }
"""
VARIABLES = {"/v1/sweeps": "SWEEP", "/v1/studies": "STUDY"}
READ_ID = """sed -E 's/.*"id":"([0-9a-f]+)".*/\\1/'"""


def documentation_page(openapi: dict[str, Any], base_url: str) -> str:
    """HTML for an OpenAPI document whose routes answer under `base_url`."""
    info = openapi["info"]
    title = escape(f"{info['title']} {info['version']}")
    operations = [
        (method, path, operation) for path, methods in openapi["paths"].items() for method, operation in methods.items()
    ]
    # What is made first is what the other commands are about; what is deleted can be neither shown nor followed.
    operations.sort(key=lambda found: (found[0] == "delete", not _makes(found[2])))
    sections = "".join(_section(method, path, operation, base_url) for method, path, operation in operations)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1><p>{escape(info['description'])}</p>"
        '<p>For tools: <a href="/openapi.json">/openapi.json</a>. Paste the commands in order: the one that submits'
        " sets <code>$ID</code> for those after it, or <code>$SWEEP</code> or <code>$STUDY</code>.</p>"
        f"{sections}</body></html>"
    )


def curl_command(method: str, path: str, operation: dict[str, Any], base_url: str) -> str:
    """A shell command for one route; `$ID`, `$SWEEP` or `$STUDY` stands for what the submitting command made."""
    variable = next((variable for start, variable in VARIABLES.items() if path.startswith(start)), "ID")
    url = (base_url.rstrip("/") + path).replace("{id}", f"${variable}").replace("{name}", "spec.yaml")
    url += _query(operation, variable)
    headers = "".join(f'-H "{name}: {value}" ' for name, value in _example_headers(operation))
    example = _example_body(operation)
    if example is None:
        verb = "" if method == "get" else f"-X {method.upper()} "
        return f'curl -s {verb}{headers}"{url}"'
    text = json.dumps(example)
    # The shell puts ids in only between double quotes.
    body = '"' + text.replace('"', '\\"') + '"' if "$" in text else shlex.quote(text)
    verb = "" if method == "post" else f"-X {method.upper()} "
    command = f'curl -s {verb}{headers}-H "Content-Type: application/json" -d {body} "{url}"'
    # A fork does not take the place of its parent: what follows on the page is still about that one.
    makes = _makes(operation) and "{id}" not in path
    return f"{variable}=$({command} | {READ_ID}); echo ${variable}" if makes else command


def _example_body(operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return next(iter(content.get("schema", {}).get("examples", [])), None)


def _makes(operation: dict[str, Any]) -> bool:
    """Whether a command for it makes what others are about."""
    return "201" in operation["responses"] and _example_body(operation) is not None


def _query(operation: dict[str, Any], variable: str) -> str:
    """What must stand in the query: ids, as often as they are needed."""
    needed = [found for found in operation.get("parameters", []) if found["in"] == "query" and found.get("required")]
    pairs = [f"{found['name']}=${variable}" for found in needed for _ in range(found["schema"].get("minItems", 1))]
    return "?" + "&".join(pairs) if pairs else ""


def _example_headers(operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "header":
            for value in parameter["schema"].get("examples", []):
                yield parameter["name"], value


def _section(method: str, path: str, operation: dict[str, Any], base_url: str) -> str:
    commands = [curl_command(method, path, operation, base_url)]
    if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
        commands.append(commands[0].replace("curl -s", 'curl -sN -H "Accept: text/event-stream"'))
    rows = "".join(_parameter_rows(operation))
    table = f"<table>{rows}</table>" if rows else ""
    shown = "".join(f'<pre class="command">{escape(command)}</pre>' for command in commands)
    heading = f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    return f"{heading}<p>{escape(operation.get('description', ''))}</p>{table}{shown}"


def _parameter_rows(operation: dict[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", []):
        if parameter["in"] != "path":
            description = escape(parameter.get("description", ""))
            yield f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{parameter['in']}</td><td>{description}</td></tr>"
